// SPDX-License-Identifier: Apache-2.0
package io.backstep.bench.vm;

import java.util.List;

import io.backstep.bench.Sample;

/** For how long machines stood, by what QEMU told. */
final class Stop {
    private Stop() {
    }

    /** The times from a stop to the next time it went on, in ms. */
    static Sample ms(List<Guest.Event> events) {
        Sample sample = new Sample();
        long stoppedUs = -1;
        for (Guest.Event event : events) {
            if (event.name().equals("STOP")) {
                stoppedUs = event.atUs();
            } else if (event.name().equals("RESUME") && stoppedUs >= 0) {
                sample.add((event.atUs() - stoppedUs) / 1e3);
                stoppedUs = -1;
            }
        }
        return sample;
    }

    /** The longest of these; there must be one. */
    static double longestMs(List<Guest.Event> events) {
        Sample sample = ms(events);
        if (sample.size() == 0) {
            throw new IllegalStateException("the machine did not stand: " + events);
        }
        return sample.maximum();
    }
}
