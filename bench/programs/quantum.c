// SPDX-License-Identifier: Apache-2.0
//
// quantum: factors a number by Shor's algorithm on a simulated quantum computer, by the library libquantum. Reads the
// number and a base that shares no divisor with it; prints what was measured and the period found. For SPEC's
// libquantum, which does the same.

#include <omp.h>
#include <quantum.h>
#include <stdio.h>
#include <stdlib.h>

int main(void)
{
    int number;
    int base;
    if (scanf("%d %d", &number, &base) != 2 || number < 2 || base < 2) {
        fprintf(stderr, "quantum: expects a number and a base\n");
        return 1;
    }
    srand(1);
    omp_set_num_threads(1);

    int width = quantum_getwidth(number * number);
    int scratch = quantum_getwidth(number);
    quantum_reg reg = quantum_new_qureg(0, width);
    for (int i = 0; i < width; i++) {
        quantum_hadamard(i, &reg);
    }
    quantum_addscratch(3 * scratch + 2, &reg);
    quantum_exp_mod_n(number, base, width, scratch, &reg);
    for (int i = 0; i < 3 * scratch + 2; i++) {
        quantum_bmeasure(0, &reg);
    }
    quantum_qft(width, &reg);
    for (int i = 0; i < width / 2; i++) {
        quantum_cnot(i, width - i - 1, &reg);
        quantum_cnot(width - i - 1, i, &reg);
        quantum_cnot(i, width - i - 1, &reg);
    }
    int measured = (int)quantum_measure(reg);
    int period = 1 << width;
    int numerator = measured;
    quantum_frac_approx(&numerator, &period, width);
    printf("measured %d of %d, period perhaps %d\n", measured, 1 << width, period);
    quantum_delete_qureg(&reg);
    return 0;
}
