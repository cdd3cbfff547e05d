// SPDX-License-Identifier: Apache-2.0
package io.backstep.predict;

/**
 * What is weighed against what, as measured on this host.
 *
 * @param faultNs what the first write to a protected page costs its writer
 * @param copyNs what the copy of a page adds to a pause
 * @param rangeNs what each predicted range adds to a pause: the scan is interrupted for it
 */
public record Prices(double faultNs, double copyNs, double rangeNs) {
    /** For where nothing is predicted. */
    public static final Prices NONE = new Prices(0, 0, 0);

    public Prices {
        if (!(faultNs >= 0 && copyNs >= 0 && rangeNs >= 0)) {
            throw new IllegalArgumentException("prices of " + faultNs + ", " + copyNs + " and " + rangeNs + " ns");
        }
    }
}
