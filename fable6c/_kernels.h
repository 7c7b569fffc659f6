// The only declaration of the C functions: read by C (_kernels.c, _bpe.c, _text.c) and by cffi (build_kernels.py), so plain
// prototypes only. Shapes and formulas stand in the .c files.

// ---- _kernels.c: the machine ----
int cpu_supports(const char *isa);
int set_threads(int wanted);
int threads(void);
size_t linear_scratch(size_t N, size_t O, size_t C);
size_t muon_scratch(size_t O, size_t C);
size_t block_scratch(size_t C, size_t H);
size_t block_chunks(size_t N);

// ---- _kernels.c: the model, in its order ----
void embedding_forward(float *out, const int32_t *tokens, const int8_t *weight, const float *scale,
                       size_t N, size_t C, size_t V);
void embedding_backward(float *dlatent, const float *dout, const int32_t *tokens, size_t V, size_t C, size_t N);

void rmsnorm_forward(float *out, float *rstd, const float *inp, const float *gain, size_t N, size_t C);
void rmsnorm_backward(float *dinp, float *dgain, const float *dout, const float *inp, const float *rstd,
                      const float *gain, size_t N, size_t C);

void quantize_forward(int8_t *q, float *s, const float *inp, size_t N, size_t C);

void quantize_backward(int8_t *q, float *s, const float *dout, const uint32_t *draw, size_t N, size_t C, size_t D);
void discretize_forward(int8_t *weight, float *scale, const float *latent, float levels, float share,
                        size_t O, size_t C, size_t S);
void linear_pack(int8_t *packed, const int8_t *weight, size_t O, size_t C);
void linear_pack_turned(int8_t *packed, const int8_t *weight, size_t O, size_t C);
void linear_pack_gradient(float *packed, const int8_t *weight, size_t O, size_t C);
void linear_forward(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *packed,
                    const float *scale, size_t N, size_t O, size_t P, size_t S);
void linear_forward_naive(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *weight,
                          const float *scale, size_t N, size_t O, size_t C, size_t S);
void linear_backward_input(float *dinp, const float *dout, const float *packed, const float *scale, float *scratch,
                           size_t N, size_t C, size_t O, size_t S, size_t Z);
void linear_backward_input_naive(float *dinp, const float *dout, const int8_t *weight, const float *scale,
                                 size_t N, size_t C, size_t O, size_t S);
void linear_backward_weight(float *dlatent, const float *dout, const int8_t *q, const float *s, float *scratch,
                            size_t N, size_t C, size_t O, size_t Z);
void linear_backward_weight_naive(float *dlatent, const float *dout, const int8_t *q, const float *s,
                                  size_t N, size_t C, size_t O);

void linear_backward_weight_int8(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s,
                                 const uint32_t *draw, float *scratch, size_t N, size_t C, size_t O, size_t D, size_t Z);
void linear_backward_weight_int8_naive(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s,
                                       const uint32_t *draw, size_t N, size_t C, size_t O, size_t D);

void conv_forward(float *out, const float *inp, const float *weight, size_t B, size_t T, size_t C, size_t K);
void conv_backward(float *dinp, float *dweight, const float *dout, const float *inp, const float *weight,
                   size_t B, size_t T, size_t C, size_t K);

void scan_forward(float *out, float *h, float *u, const float *inp, const float *bias, size_t B, size_t T, size_t C);
void scan_backward(float *dinp, float *du, float *dbias, const float *dout, const float *h, const float *u,
                   const float *inp, size_t B, size_t T, size_t C);

void glu_forward(float *out, const float *inp, size_t N, size_t H);
void glu_backward(float *dinp, const float *dout, const float *inp, size_t N, size_t H);

void dropout(float *x, const uint32_t *draw, size_t M, size_t D);

void layer_forward(float *out, const float *residual, int8_t *q, float *s, float *rstd, const float *inp, const float *gain,
                   const int8_t *packed, const float *scale, float *scratch, size_t N, size_t O, size_t C, size_t S, size_t Z);
void layer_backward(float *dinp, float *dgain, int8_t *dq, float *ds, const float *dout, const float *inp, const float *rstd,
                    const float *gain, const int8_t *turned, const float *scale, const uint32_t *draw, float *scratch, float *parts,
                    size_t N, size_t O, size_t C, size_t S, size_t D, size_t Z, size_t M);
void glu_block_forward(float *out, float *u, float *rstd, int8_t *q, float *s, int8_t *pq, float *ps, const float *inp, const float *gain,
                       const int8_t *packed_in, const float *scale_in, const int8_t *packed_out, const float *scale_out,
                       const uint32_t *draw, float *scratch, size_t N, size_t C, size_t H, size_t S, size_t D, size_t Z);
void glu_block_backward(float *dx, float *dgain, int8_t *dq_out, float *ds_out, int8_t *dq_in, float *ds_in, const float *u,
                        const float *inp, const float *rstd, const float *gain, const int8_t *turned_out, const float *scale_out,
                        const int8_t *turned_in, const float *scale_in, const uint32_t *draw_out, const uint32_t *draw_in,
                        const uint32_t *draw, float *scratch, float *parts, size_t N, size_t C, size_t H, size_t S, size_t D, size_t Z,
                        size_t M);

void copy_forward(float *odds, float *power, float *scratch, const float *u, const float *rival, const float *bias, const int32_t *tokens,
                  const int32_t *targets, size_t B, size_t T, size_t K);
void copy_backward(float *du, float *drival, float *dbias, float *power, float *dodds, float *scratch, const float *u, const float *rival,
                   const int32_t *tokens, const int32_t *targets, size_t B, size_t T, size_t K);

void crossentropy_sparse(float *loss, int32_t *entry, float *value, int32_t *count, float *logits, const int32_t *targets, float *odds,
                         const uint32_t *draw, float dloss, size_t N, size_t E, size_t V, size_t D);
void head_backward_sparse(float *dinp, float *dlatent, int32_t *first, int32_t *next, const int32_t *entry, const float *value,
                          const int32_t *count, const int8_t *q, const float *s, const int8_t *weight, const float *scale, size_t N,
                          size_t C, size_t E, size_t V);
void crossentropy(float *loss, float *logits, const int32_t *targets, float *odds, float dloss, size_t N, size_t V);

// ---- _kernels.c: the optimizer ----
double sum_of_squares(const float *values, size_t M);
void adamw_update(float *param, float *m, float *v, float *grad, float rate, float beta1, float beta2, float eps,
                  float decay, float correction1, float correction2, float grad_scale, size_t M);
void muon_update(float *param, float *momentum, float *grad, const int32_t *matrices, float *scratch, float rate, float beta,
                 float decay, float grad_scale, size_t M, size_t W, size_t R, size_t Z);

// ---- _bpe.c: the merge loop of the tokenizer trainer ----
size_t bpe_count_pairs(uint32_t *pair, int64_t *pair_count, uint32_t *index, const uint16_t *symbols,
                       const uint32_t *piece_of, const int64_t *piece_count, size_t N, size_t index_size);
size_t bpe_best_pair(const uint32_t *pair, const int64_t *pair_count, const uint8_t *token_length, size_t pairs,
                     size_t longest, int64_t least);
size_t bpe_merge(uint16_t *symbols, uint32_t *pair, int64_t *pair_count, uint32_t *index, const uint32_t *piece_of,
                 const int64_t *piece_count, size_t N, size_t pairs, size_t index_size,
                 uint16_t left, uint16_t right, uint16_t merged);

// ---- _text.c: figures about a text, for the cleanser ----
size_t text_words(uint64_t *word_hash, uint32_t *word_size, const uint8_t *text, size_t n);
size_t text_grams(uint64_t *gram, const uint64_t *word_hash, size_t W, size_t width);
void text_set_add(uint64_t *set, size_t places, const uint64_t *hash, size_t count);
size_t text_set_count(const uint64_t *set, size_t places, const uint64_t *hash, size_t count);
void text_figures(double *figure, const uint8_t *text, size_t n, const uint64_t *word_hash, const uint32_t *word_size, size_t W,
                  const uint64_t *common, size_t common_places, const uint64_t *stop, uint64_t *gram, uint64_t *set,
                  uint32_t *times, size_t places);
