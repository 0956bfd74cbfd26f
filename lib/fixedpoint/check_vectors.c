/* Recompute one layer of a quantized network from the files of its folder and compare every value.

       cc -std=c99 -O2 -ffp-contract=off -o check check.c -lm && ./check [folder]

   layer.vh    geometry: the layer as a 2D convolution (1D: height 1; matrix product: 1x1 on an image of one pixel)
   *.hex       one two's-complement value a line, row-major, the last index fastest: [sample][channel][row][column]

   accumulator          bias + sum of (input - input zero point) * (weight - weight zero point), int32
   output_float32       clip(rint((float)accumulator * multiplier_float32) + output zero point), ties to even
   output_fixed_point   clip(((accumulator * multiplier + 2^(shift-1)) >> shift) + output zero point), ties upwards

   Prints one line; exit code 0 if all values are equal, 1 if one differs or a file is missing or damaged. */

#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *folder = ".";

static void fail(const char *reason, const char *name) {
    printf("FAILED: %s: %s %s\n", folder, reason, name);
    exit(1);
}

static FILE *open_file(const char *name) {
    char path[4096];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *file = fopen(path, "r");
    if (!file) fail("cannot open", name);
    return file;
}

/* The value of the line `localparam name = value;` in layer.vh. */
static int parameter(const char *name, int lowest) {
    FILE *file = open_file("layer.vh");
    char line[256], found[64];
    int value, given = 0;
    while (!given && fgets(line, sizeof line, file))
        given = sscanf(line, " localparam %63s = %d", found, &value) == 2 && !strcmp(found, name);
    fclose(file);
    if (!given || value < lowest) fail("layer.vh gives no usable", name);
    return value;
}

/* The values of a file, exactly `count`, of `bits` bits each; comment lines begin with a slash. */
static int32_t *values(const char *name, int bits, int is_signed, size_t count) {
    FILE *file = open_file(name);
    int32_t *all = malloc(count * sizeof *all);
    const size_t digits = bits / 4;
    char line[256];
    size_t n = 0;
    if (!all) fail("no memory for", name);
    while (fgets(line, sizeof line, file)) {
        if (line[0] == '/') continue;
        if (n == count || strspn(line, "0123456789abcdef") != digits || line[digits] != '\n') fail("damaged:", name);
        const int64_t word = strtoll(line, NULL, 16);
        all[n++] = (int32_t)(is_signed && word >> (bits - 1) ? word - ((int64_t)1 << bits) : word);
    }
    if (n != count) fail("too short:", name);
    fclose(file);
    return all;
}

static int64_t clip(int64_t value, int64_t low, int64_t high) {
    return value < low ? low : value > high ? high : value;
}

int main(int argc, char **argv) {
    if (argc > 1) folder = argv[1];

    const int samples = parameter("SAMPLES", 1), groups = parameter("GROUPS", 1);
    const int channels = parameter("INPUT_CHANNELS", 1), filters = parameter("OUTPUT_CHANNELS", 1);
    const int input_h = parameter("INPUT_HEIGHT", 1), input_w = parameter("INPUT_WIDTH", 1);
    const int output_h = parameter("OUTPUT_HEIGHT", 1), output_w = parameter("OUTPUT_WIDTH", 1);
    const int kernel_h = parameter("KERNEL_HEIGHT", 1), kernel_w = parameter("KERNEL_WIDTH", 1);
    const int stride_h = parameter("STRIDE_HEIGHT", 1), stride_w = parameter("STRIDE_WIDTH", 1);
    const int dilation_h = parameter("DILATION_HEIGHT", 1), dilation_w = parameter("DILATION_WIDTH", 1);
    const int pad_top = parameter("PAD_TOP", 0), pad_left = parameter("PAD_LEFT", 0);
    const int input_signed = parameter("INPUT_SIGNED", 0), output_signed = parameter("OUTPUT_SIGNED", 0);
    const int weight_bits = parameter("WEIGHT_BITS", 8);
    const int group_channels = channels / groups, group_filters = filters / groups;
    const size_t outputs = (size_t)samples * filters * output_h * output_w;

    const int32_t *input = values("input.hex", 8, input_signed, (size_t)samples * channels * input_h * input_w);
    const int32_t *weight =
        values("weight.hex", weight_bits, 1, (size_t)filters * group_channels * kernel_h * kernel_w);
    const int32_t *bias = values("bias.hex", 32, 1, filters);
    const int32_t input_zero = *values("input_zero_point.hex", 8, input_signed, 1);
    const int32_t weight_zero = *values("weight_zero_point.hex", weight_bits, 1, 1);
    const int32_t output_zero = *values("output_zero_point.hex", 8, output_signed, 1);
    const int32_t *multiplier_float32 = values("multiplier_float32.hex", 32, 1, filters);
    const int32_t *multiplier = values("multiplier.hex", 32, 1, filters);
    const int32_t *shift = values("shift.hex", 8, 1, filters);
    const int32_t *accumulator = values("accumulator.hex", 32, 1, outputs);
    const int32_t *output_float32 = values("output_float32.hex", 8, output_signed, outputs);
    const int32_t *output_fixed_point = values("output_fixed_point.hex", 8, output_signed, outputs);

    const int lowest = output_signed ? -128 : 0, highest = lowest + 255;
    size_t index = 0, wrong_multipliers = 0, wrong_sums = 0, wrong_float32 = 0, wrong_fixed_point = 0;

    for (int n = 0; n < filters; n++) {
        float factor;
        memcpy(&factor, &multiplier_float32[n], sizeof factor);
        if (shift[n] < 1 || shift[n] > 62) fail("a shift is not between 1 and 62 in", "shift.hex");
        /* 31 bits hold the 24 of a float32, so both are the same number; 0 stands for less than 2^-32. */
        wrong_multipliers += multiplier[n] ? ldexp(multiplier[n], -shift[n]) != factor : factor >= ldexp(1, -32);
    }

    for (int sample = 0; sample < samples; sample++)
    for (int n = 0; n < filters; n++)
    for (int row = 0; row < output_h; row++)
    for (int column = 0; column < output_w; column++, index++) {
        uint32_t total = (uint32_t)bias[n]; /* wraps as an adder does; signed overflow is undefined in C */
        for (int c = 0; c < group_channels; c++)
        for (int i = 0; i < kernel_h; i++)
        for (int j = 0; j < kernel_w; j++) {
            const int channel = n / group_filters * group_channels + c;
            const int y = row * stride_h + i * dilation_h - pad_top;
            const int x = column * stride_w + j * dilation_w - pad_left;
            if (y < 0 || y >= input_h || x < 0 || x >= input_w) continue; /* padding is the zero point: adds 0 */
            const int32_t pixel = input[(((size_t)sample * channels + channel) * input_h + y) * input_w + x];
            const int32_t tap = weight[(((size_t)n * group_channels + c) * kernel_h + i) * kernel_w + j];
            total += (uint32_t)((pixel - input_zero) * (tap - weight_zero));
        }
        const int32_t sum = (int32_t)total;
        wrong_sums += sum != accumulator[index];

        float factor;
        memcpy(&factor, &multiplier_float32[n], sizeof factor);
        const float steps = rintf((float)sum * factor);
        const float low = (float)(lowest - output_zero), high = (float)(highest - output_zero);
        const int32_t by_float32 = (int32_t)(steps < low ? low : steps > high ? high : steps) + output_zero;
        wrong_float32 += by_float32 != output_float32[index];

        /* >> copies the sign on every compiler in use, as >>> does in Verilog. */
        const int64_t half = (int64_t)1 << (shift[n] - 1);
        const int64_t shifted = ((int64_t)sum * multiplier[n] + half) >> shift[n];
        wrong_fixed_point += clip(shifted + output_zero, lowest, highest) != output_fixed_point[index];
    }

    const int failed = wrong_multipliers || wrong_sums || wrong_float32 || wrong_fixed_point;
    printf("%s: %s: %zu of %d multipliers, %zu accumulators, %zu float32 and %zu fixed-point outputs of %zu differ\n",
           failed ? "FAILED" : "ok", folder, wrong_multipliers, filters, wrong_sums, wrong_float32, wrong_fixed_point,
           outputs);
    return failed;
}
