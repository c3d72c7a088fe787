/* Depthwise convolutions that clip to 0…6 before and after, and their gradients, of bfloat16 tensors [N, H, W, C].
 *
 * Sixteen channels of one photo at a time are unpacked into float32 planes, which stay in the core's second cache, and
 * every product is summed in float32. C is a multiple of 16; weights are [K * K][C]. GCC's and Clang's vectors, so any
 * processor will do; compiled with -march=native by depthwise.py.
 */
#include <stdint.h>
#include <string.h>

#define LANES 16
#define ABREAST 4
#define INLINE static inline __attribute__((always_inline))

typedef float vector __attribute__((vector_size(64)));
typedef uint32_t words __attribute__((vector_size(64)));
typedef uint16_t halves __attribute__((vector_size(32), aligned(2)));

/* As `_Shape` in depthwise.py has it. `top` and `left` are the padding before the first row and column. */
typedef struct {
    int photos, channels, high, wide, out_high, out_wide, kernel, stride, top, left;
} Shape;

INLINE vector unpacked(const uint16_t *from) {
    return (vector)(__builtin_convertvector(*(const halves *)from, words) << 16);
}

/* To the nearest bfloat16, ties to even. */
INLINE void pack(uint16_t *to, vector x) {
    words bits = (words)x;
    *(halves *)to = __builtin_convertvector((bits + 0x7fff + ((bits >> 16) & 1)) >> 16, halves);
}

INLINE vector where(words chosen, vector x) { return (vector)(chosen & (words)x); }

INLINE words inside(vector x) { return (words)(x > 0.0f) & (words)(x < 6.0f); }

INLINE vector clipped(vector x) {
    vector six = (vector){} + 6.0f;
    words over = (words)(x > 6.0f);
    return where((words)(x > 0.0f) & ~over, x) + where(over, six);
}

INLINE int larger(int a, int b) { return a > b ? a : b; }

/* Sixteen channels of a photo amid zeros: clipped, or where `gate` is given let through where that is inside 0…6. */
INLINE void spread(const uint16_t *from, const uint16_t *gate, vector *plane, int high, int wide, int channels, int top,
                   int left, int rows, int columns) {
    memset(plane, 0, sizeof(vector) * rows * columns);
    for (int y = 0; y < high; y++)
        for (int x = 0; x < wide; x++) {
            int64_t at = ((int64_t)y * wide + x) * channels;
            vector value = unpacked(from + at);
            plane[(y + top) * columns + left + x] = gate ? where(inside(unpacked(gate + at)), value) : clipped(value);
        }
}

/* Weighted sums for `ABREAST` places of a row from `corner` on. */
INLINE void summed(vector *sums, const vector *corner, int columns, const vector *weights, const int K, const int S) {
    for (int down = 0; down < K; down++)
        for (int right = 0; right < K; right++) {
            vector weight = weights[down * K + right];
            for (int j = 0; j < ABREAST; j++) sums[j] += weight * corner[down * columns + right + j * S];
        }
}

INLINE void forward_of(const Shape s, const int K, const int S, const uint16_t *x, const float *weight,
                       const float *bias, uint16_t *y, vector *plane) {
    int rows = larger((s.out_high - 1) * S + K, s.top + s.high);
    int columns = larger((s.out_wide - 1) * S + K, s.left + s.wide);
    for (int n = 0; n < s.photos; n++)
        for (int c = 0; c < s.channels; c += LANES) {
            uint16_t *to = y + (int64_t)n * s.out_high * s.out_wide * s.channels + c;
            vector weights[25], start;
            spread(x + (int64_t)n * s.high * s.wide * s.channels + c, 0, plane, s.high, s.wide, s.channels, s.top,
                   s.left, rows, columns);
            for (int k = 0; k < K * K; k++) memcpy(&weights[k], weight + k * s.channels + c, sizeof(vector));
            memcpy(&start, bias + c, sizeof(vector));
            for (int row = 0; row < s.out_high; row++)
                for (int first = 0; first < s.out_wide; first += ABREAST) {
                    vector sums[ABREAST] = {start, start, start, start};
                    summed(sums, plane + row * S * columns + first * S, columns, weights, K, S);
                    for (int j = 0; j < ABREAST && first + j < s.out_wide; j++)
                        pack(to + ((int64_t)row * s.out_wide + first + j) * s.channels, clipped(sums[j]));
                }
        }
}

/* Adds one photo's gradient of the weight, of what came out at each place times what went in around it. */
INLINE void add_of_weight(const Shape s, const int K, const int S, const vector *plane, int columns,
                          const vector *given, int edge, vector *of_weight, vector *of_bias) {
    int given_columns = s.out_wide + 2 * edge;
    for (int row = 0; row < s.out_high; row++) {
        const vector *out = given + (row + edge) * given_columns + edge;
        for (int down = 0; down < K; down++) {
            const vector *in = plane + (row * S + down) * columns;
            vector sums[2][5] = {};
            for (int place = 0; place < s.out_wide; place++)
                for (int right = 0; right < K; right++)
                    sums[place & 1][right] += out[place] * in[place * S + right];
            for (int right = 0; right < K; right++) of_weight[down * K + right] += sums[0][right] + sums[1][right];
        }
        for (int place = 0; place < s.out_wide; place++) *of_bias += out[place];
    }
}

/* One photo's gradient of what went in: at stride 1 a convolution with the weight turned round, else strewn out. */
INLINE void find_of_x(const Shape s, const int K, const int S, const vector *plane, int rows, int columns,
                      const vector *given, int edge, const vector *weights, vector *strewn, uint16_t *of_x) {
    int given_columns = s.out_wide + 2 * edge;
    if (S > 1) {
        memset(strewn, 0, sizeof(vector) * rows * columns);
        for (int row = 0; row < s.out_high; row++)
            for (int place = 0; place < s.out_wide; place++) {
                vector out = given[row * given_columns + place];
                vector *corner = strewn + row * S * columns + place * S;
                for (int down = 0; down < K; down++)
                    for (int right = 0; right < K; right++)
                        corner[down * columns + right] += out * weights[down * K + right];
            }
    }
    vector turned[25];
    for (int k = 0; k < K * K; k++) turned[K * K - 1 - k] = weights[k];
    for (int row = 0; row < s.high; row++)
        for (int first = 0; first < s.wide; first += ABREAST) {
            const vector *in = plane + (row + s.top) * columns + s.left + first;
            vector sums[ABREAST] = {};
            if (S == 1) summed(sums, given + row * given_columns + first, given_columns, turned, K, 1);
            for (int j = 0; j < ABREAST && first + j < s.wide; j++) {
                vector sum = S == 1 ? sums[j] : strewn[(row + s.top) * columns + s.left + first + j];
                pack(of_x + ((int64_t)row * s.wide + first + j) * s.channels, where(inside(in[j]), sum));
            }
        }
}

INLINE void backward_of(const Shape s, const int K, const int S, const uint16_t *of_y, const uint16_t *x,
                        const uint16_t *y, const float *weight, uint16_t *of_x, float *of_weight, float *of_bias,
                        vector *plane, vector *given, vector *strewn) {
    int rows = larger((s.out_high - 1) * S + K, s.top + s.high);
    int columns = larger((s.out_wide - 1) * S + K, s.left + s.wide);
    int edge = S == 1 ? K - 1 - s.top : 0;
    for (int c = 0; c < s.channels; c += LANES) {
        vector weights[25], weight_sums[25] = {}, bias_sum = {};
        for (int k = 0; k < K * K; k++) memcpy(&weights[k], weight + k * s.channels + c, sizeof(vector));
        for (int n = 0; n < s.photos; n++) {
            int64_t in = (int64_t)n * s.high * s.wide * s.channels + c;
            int64_t out = (int64_t)n * s.out_high * s.out_wide * s.channels + c;
            spread(x + in, 0, plane, s.high, s.wide, s.channels, s.top, s.left, rows, columns);
            spread(of_y + out, y + out, given, s.out_high, s.out_wide, s.channels, edge, edge, s.out_high + 2 * edge,
                   s.out_wide + 2 * edge);
            add_of_weight(s, K, S, plane, columns, given, edge, weight_sums, &bias_sum);
            if (of_x) find_of_x(s, K, S, plane, rows, columns, given, edge, weights, strewn, of_x + in);
        }
        for (int k = 0; k < K * K; k++) memcpy(of_weight + k * s.channels + c, &weight_sums[k], sizeof(vector));
        memcpy(of_bias + c, &bias_sum, sizeof(vector));
    }
}

/* Kernel and stride as constants, so that their loops unroll. */
#define BY_KIND(CALL)                                                                                                  \
    if (shape->kernel == 3 && shape->stride == 1) CALL(3, 1);                                                          \
    else if (shape->kernel == 3) CALL(3, 2);                                                                           \
    else if (shape->stride == 1) CALL(5, 1);                                                                           \
    else CALL(5, 2)

/* `scratch` holds one plane. */
void forward(const Shape *shape, const uint16_t *x, const float *weight, const float *bias, uint16_t *y,
             vector *scratch) {
#define CALL(K, S) forward_of(*shape, K, S, x, weight, bias, y, scratch)
    BY_KIND(CALL);
#undef CALL
}

/* `scratch` holds three planes of `plane_vectors`; `of_x` is null where nobody wants it. */
void backward(const Shape *shape, const uint16_t *of_y, const uint16_t *x, const uint16_t *y, const float *weight,
              uint16_t *of_x, float *of_weight, float *of_bias, vector *scratch, int64_t plane_vectors) {
    vector *given = scratch + plane_vectors, *strewn = given + plane_vectors;
#define CALL(K, S) backward_of(*shape, K, S, of_y, x, y, weight, of_x, of_weight, of_bias, scratch, given, strewn)
    BY_KIND(CALL);
#undef CALL
}
