// SPDX-License-Identifier: Apache-2.0
//
// video WIDTH HEIGHT FRAMES: an uncompressed film for x264: textured discs that move over a moving texture, with a cut
// every two seconds and noise. The same at each call.

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RATE = 25, SCENE = 2 * RATE, DISCS = 12, NOISE = 3 };

static uint32_t seed = 1;

static unsigned random_below(unsigned limit)
{
    seed = seed * 1664525 + 1013904223;
    return (unsigned)((uint64_t)(seed >> 8) * limit >> 24);
}

// A texture without repetition: smooth, so that it can be predicted from a frame to the next.
static int texture(int x, int y, int kind)
{
    int wave = abs((x * (kind + 2) + y * 3) % 256 - 128) + abs((y * (kind + 3) - x * 2) % 200 - 100);
    return wave / 2 + ((x ^ y) & 16) + 40;
}

int main(int argc, char **argv)
{
    int width = argc == 4 ? atoi(argv[1]) : 0;
    int height = argc == 4 ? atoi(argv[2]) : 0;
    int frames = argc == 4 ? atoi(argv[3]) : 0;
    if (width < 16 || height < 16 || width % 2 || height % 2 || frames < 1) {
        fprintf(stderr, "usage: video WIDTH HEIGHT FRAMES\n");
        return 1;
    }
    size_t size = (size_t)width * height;
    uint8_t *luma = malloc(size);
    uint8_t *chroma = malloc(size / 2);
    if (!luma || !chroma) {
        return 1;
    }
    printf("YUV4MPEG2 W%d H%d F%d:1 Ip A1:1 C420jpeg\n", width, height, RATE);
    int x[DISCS], y[DISCS], dx[DISCS], dy[DISCS], radius[DISCS];
    for (int frame = 0; frame < frames; frame++) {
        if (frame % SCENE == 0) {
            for (int i = 0; i < DISCS; i++) {
                x[i] = (int)random_below((unsigned)width);
                y[i] = (int)random_below((unsigned)height);
                dx[i] = (int)random_below(15) - 7;
                dy[i] = (int)random_below(11) - 5;
                radius[i] = height / 20 + (int)random_below((unsigned)height / 6);
            }
        }
        int scene = frame / SCENE;
        for (int row = 0; row < height; row++) {
            for (int column = 0; column < width; column++) {
                int value = texture(column + 2 * frame, row + frame, scene % 5);
                for (int i = 0; i < DISCS; i++) {
                    int a = column - x[i];
                    int b = row - y[i];
                    if (a * a + b * b < radius[i] * radius[i]) {
                        value = texture(a, b, i % 5 + 1);
                    }
                }
                luma[(size_t)row * width + column] = (uint8_t)(value + (int)random_below(2 * NOISE + 1) - NOISE);
            }
        }
        for (size_t i = 0; i < size / 2; i++) {
            int column = (int)(i % (width / 2));
            int row = (int)(i / (width / 2));
            chroma[i] = (uint8_t)(128 + texture(column + frame, row, scene % 3) / 16);
        }
        for (int i = 0; i < DISCS; i++) {
            x[i] += dx[i];
            y[i] += dy[i];
        }
        printf("FRAME\n");
        if (fwrite(luma, 1, size, stdout) != size || fwrite(chroma, 1, size / 2, stdout) != size / 2) {
            return 1;
        }
    }
    return fflush(stdout) != 0;
}
