// Updates in two bits a number (_codec.c); the only declaration, read by C, cffi and native.py.

enum { CODEC_BLOCK = 4096, CODEC_HEAD = 16 };

size_t codec_size(size_t N);
// payload (P), rest (N), delta (N)
size_t codec_encode(uint8_t *payload, float *rest, const float *delta, size_t P, size_t N);
// payload (P)
size_t codec_check(const uint8_t *payload, size_t P, size_t N);
// sum (N), payload (P)
size_t codec_add(float *sum, const uint8_t *payload, float weight, size_t P, size_t N);
