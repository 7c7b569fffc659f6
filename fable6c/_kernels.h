// The kernels of the trainer (_kernels.c); the only declaration, read by C, cffi and native.py, which checks the shapes in the comments.
// Formulas stand in _kernels.c, and the legend of the letters.

// ---- the machine ----
int set_threads(int wanted);
int threads(void);
size_t linear_scratch(size_t N, size_t O, size_t C);
size_t muon_scratch(size_t O, size_t C);
size_t block_scratch(size_t C, size_t H);
size_t block_chunks(size_t N);

// ---- the model, in its order ----
// out (N,C), tokens (N), weight (V,C), scale (V)
void embedding_forward(float *out, const int32_t *tokens, const int8_t *weight, const float *scale,
                       size_t N, size_t C, size_t V);
// dlatent (V,C), dout (N,C), tokens (N)
void embedding_backward(float *dlatent, const float *dout, const int32_t *tokens, size_t V, size_t C, size_t N);

// out (N,C), rstd (N), inp (N,C), gain (C)
void rmsnorm_forward(float *out, float *rstd, const float *inp, const float *gain, size_t N, size_t C);
// dinp (N,C), dgain (C), dout (N,C), inp (N,C), rstd (N), gain (C)
void rmsnorm_backward(float *dinp, float *dgain, const float *dout, const float *inp, const float *rstd,
                      const float *gain, size_t N, size_t C);

// q (N,C~4), s (N), inp (N,C)
void quantize_forward(int8_t *q, float *s, const float *inp, size_t N, size_t C);

// q (N,C~4), s (N), dout (N,C), draw (D)
void quantize_backward(int8_t *q, float *s, const float *dout, const uint32_t *draw, size_t N, size_t C, size_t D);
// weight (O,C), scale (S), latent (O,C)
void discretize_forward(int8_t *weight, float *scale, const float *latent, float levels, float share,
                        size_t O, size_t C, size_t S);
// packed (O~32,C~4), weight (O,C)
void linear_pack(int8_t *packed, const int8_t *weight, size_t O, size_t C);
// packed (C~32,O~4), weight (O,C)
void linear_pack_turned(int8_t *packed, const int8_t *weight, size_t O, size_t C);
// packed (O,C~32), weight (O,C)
void linear_pack_gradient(float *packed, const int8_t *weight, size_t O, size_t C);
// out (N,O), residual (N,O)?, q (N,P), s (N), packed (O~32,P), scale (S)
void linear_forward(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *packed,
                    const float *scale, size_t N, size_t O, size_t P, size_t S);
// out (N,O), residual (N,O)?, q (N,C~4), s (N), weight (O,C), scale (S)
void linear_forward_naive(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *weight,
                          const float *scale, size_t N, size_t O, size_t C, size_t S);
// dinp (N,C), dout (N,O), packed (O,C~32), scale (S), scratch (Z)
void linear_backward_input(float *dinp, const float *dout, const float *packed, const float *scale, float *scratch,
                           size_t N, size_t C, size_t O, size_t S, size_t Z);
// dinp (N,C), dout (N,O), weight (O,C), scale (S)
void linear_backward_input_naive(float *dinp, const float *dout, const int8_t *weight, const float *scale,
                                 size_t N, size_t C, size_t O, size_t S);
// dlatent (O,C), dout (N,O), q (N,C~4), s (N), scratch (Z)
void linear_backward_weight(float *dlatent, const float *dout, const int8_t *q, const float *s, float *scratch,
                            size_t N, size_t C, size_t O, size_t Z);
// dlatent (O,C), dout (N,O), q (N,C~4), s (N)
void linear_backward_weight_naive(float *dlatent, const float *dout, const int8_t *q, const float *s,
                                  size_t N, size_t C, size_t O);

// dlatent (O,C), dq (N,O~4), ds (N), q (N,C~4), s (N), draw (D), scratch (Z)
void linear_backward_weight_int8(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s,
                                 const uint32_t *draw, float *scratch, size_t N, size_t C, size_t O, size_t D, size_t Z);
// dlatent (O,C), dq (N,O~4), ds (N), q (N,C~4), s (N), draw (D)
void linear_backward_weight_int8_naive(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s,
                                       const uint32_t *draw, size_t N, size_t C, size_t O, size_t D);

// out (B,T,C), inp (B,T,3C), weight (C,K)
void conv_forward(float *out, const float *inp, const float *weight, size_t B, size_t T, size_t C, size_t K);
// dinp (B,T,3C), dweight (C,K), dout (B,T,C), inp (B,T,3C), weight (C,K)
void conv_backward(float *dinp, float *dweight, const float *dout, const float *inp, const float *weight,
                   size_t B, size_t T, size_t C, size_t K);

// out (B,T,C), h (B,T,C), u (B,T,3C), inp (B,T,C), bias (C)
void scan_forward(float *out, float *h, float *u, const float *inp, const float *bias, size_t B, size_t T, size_t C);
// dinp (B,T,C), du (B,T,3C), dbias (C), dout (B,T,C), h (B,T,C), u (B,T,3C), inp (B,T,C)
void scan_backward(float *dinp, float *du, float *dbias, const float *dout, const float *h, const float *u,
                   const float *inp, size_t B, size_t T, size_t C);

// out (N,H), inp (N,2H)
void glu_forward(float *out, const float *inp, size_t N, size_t H);
// dinp (N,2H), dout (N,H), inp (N,2H)
void glu_backward(float *dinp, const float *dout, const float *inp, size_t N, size_t H);

// x (M), draw (D)
void dropout(float *x, const uint32_t *draw, size_t M, size_t D);

// out (N,O), residual (N,O)?, q (N,C~4), s (N), rstd (N)?, inp (N,C), gain (C)?, packed (O~32,C~4), scale (S), scratch (Z)
void layer_forward(float *out, const float *residual, int8_t *q, float *s, float *rstd, const float *inp, const float *gain,
                   const int8_t *packed, const float *scale, float *scratch, size_t N, size_t O, size_t C, size_t S, size_t Z);
// dinp (N,C), dgain (C)?, dq (N,O~4), ds (N), dout (N,O), inp (N,C)?, rstd (N)?, gain (C)?, turned (C~32,O~4), scale (S),
// draw (D), scratch (Z), parts (M,C)
void layer_backward(float *dinp, float *dgain, int8_t *dq, float *ds, const float *dout, const float *inp, const float *rstd,
                    const float *gain, const int8_t *turned, const float *scale, const uint32_t *draw, float *scratch, float *parts,
                    size_t N, size_t O, size_t C, size_t S, size_t D, size_t Z, size_t M);
// out (N,C), u (N,2H), rstd (N), q (N,C~4), s (N), pq (N,H~4), ps (N), inp (N,C), gain (C), packed_in (2H~32,C~4), scale_in (S),
// packed_out (C~32,H~4), scale_out (S), draw (D), scratch (Z)
void glu_block_forward(float *out, float *u, float *rstd, int8_t *q, float *s, int8_t *pq, float *ps, const float *inp, const float *gain,
                       const int8_t *packed_in, const float *scale_in, const int8_t *packed_out, const float *scale_out,
                       const uint32_t *draw, float *scratch, size_t N, size_t C, size_t H, size_t S, size_t D, size_t Z);
// dx (N,C), dgain (C), dq_out (N,C~4), ds_out (N), dq_in (N,2H~4), ds_in (N), u (N,2H), inp (N,C), rstd (N), gain (C),
// turned_out (H~32,C~4), scale_out (S), turned_in (C~32,2H~4), scale_in (S), draw_out (D), draw_in (D), draw (D), scratch (Z),
// parts (M,C)
void glu_block_backward(float *dx, float *dgain, int8_t *dq_out, float *ds_out, int8_t *dq_in, float *ds_in, const float *u,
                        const float *inp, const float *rstd, const float *gain, const int8_t *turned_out, const float *scale_out,
                        const int8_t *turned_in, const float *scale_in, const uint32_t *draw_out, const uint32_t *draw_in,
                        const uint32_t *draw, float *scratch, float *parts, size_t N, size_t C, size_t H, size_t S, size_t D, size_t Z,
                        size_t M);

// odds (B,T,2), power (B,T,T), scratch (B,2,T~16,K~16), u (B,T,2K), rival (K), bias (1), tokens (B,T), targets (B,T)
void copy_forward(float *odds, float *power, float *scratch, const float *u, const float *rival, const float *bias, const int32_t *tokens,
                  const int32_t *targets, size_t B, size_t T, size_t K);
// du (B,T,2K), drival (K), dbias (1), power (B,T,T), dodds (B,T,2), scratch (B,2,T~16,K~16), u (B,T,2K), rival (K), tokens (B,T),
// targets (B,T)
void copy_backward(float *du, float *drival, float *dbias, float *power, float *dodds, float *scratch, const float *u, const float *rival,
                   const int32_t *tokens, const int32_t *targets, size_t B, size_t T, size_t K);

// loss (N), entry (N,E), value (N,E), count (N), logits (N,V), targets (N), odds (N,2)?, draw (D)
void crossentropy_sparse(float *loss, int32_t *entry, float *value, int32_t *count, float *logits, const int32_t *targets, float *odds,
                         const uint32_t *draw, float dloss, size_t N, size_t E, size_t V, size_t D);
// dinp (N,C), dlatent (V,C), first (V), next (N,E), entry (N,E), value (N,E), count (N), q (N,C~4), s (N), weight (V,C),
// scale (V)
void head_backward_sparse(float *dinp, float *dlatent, int32_t *first, int32_t *next, const int32_t *entry, const float *value,
                          const int32_t *count, const int8_t *q, const float *s, const int8_t *weight, const float *scale, size_t N,
                          size_t C, size_t E, size_t V);
// loss (N), logits (N,V), targets (N), odds (N,2)?
void crossentropy(float *loss, float *logits, const int32_t *targets, float *odds, float dloss, size_t N, size_t V);

// ---- the optimizer ----
// values (M)
double sum_of_squares(const float *values, size_t M);
// param (M), m (M), v (M), grad (M)
void adamw_update(float *param, float *m, float *v, float *grad, float rate, float beta1, float beta2, float eps,
                  float decay, float correction1, float correction2, float grad_scale, size_t M);
// param (M), momentum (M), grad (M), matrices (W), scratch (R,Z)
void muon_update(float *param, float *momentum, float *grad, const int32_t *matrices, float *scratch, float rate, float beta,
                 float decay, float grad_scale, size_t M, size_t W, size_t R, size_t Z);
