// The kernels of the trainer (_kernels.c); the only declaration, read by C, by cffi and by native.py, which checks the shapes in the
// comments. Formulas and the legend of the letters stand in _kernels.c.

// ---- the machine ----
int set_threads(int wanted);
int threads(void);
int gradient_bits(void);
size_t linear_scratch(size_t N, size_t O, size_t C);
size_t muon_scratch(size_t O, size_t C);
size_t block_scratch(size_t C, size_t H);
size_t block_chunks(size_t N);

// ---- the model, in its order ----
// out (N,C), tokens (N), weight (V,C), scale (V)
void embedding_forward(float *out, const int32_t *tokens, const int8_t *weight, const float *scale, size_t N, size_t C);
// dlatent (V,C), dout (N,C), tokens (N)
void embedding_backward(float *dlatent, const float *dout, const int32_t *tokens, size_t N, size_t C);

// out (N,C), rstd (N), inp (N,C), gain (C)
void rmsnorm_forward(float *out, float *rstd, const float *inp, const float *gain, size_t N, size_t C);
// dinp (N,C), dgain (C), dout (N,C), inp (N,C), rstd (N), gain (C)
void rmsnorm_backward(float *dinp, float *dgain, const float *dout, const float *inp, const float *rstd, const float *gain, size_t N,
                      size_t C);

// q (N,C~4), s (N), inp (N,C)
void quantize_activations(int8_t *q, float *s, const float *inp, size_t N, size_t C);
// q (N,C~4), s (N), dout (N,C), draw (2)
void quantize_gradients(int8_t *q, float *s, const float *dout, const uint32_t *draw, size_t N, size_t C);
// weight (O,C), scale (S), latent (O,C)
void quantize_weights(int8_t *weight, float *scale, const float *latent, float levels, float share, size_t O, size_t C, size_t S);

// packed (O~32,C~4), weight (O,C)
void linear_pack(int8_t *packed, const int8_t *weight, size_t O, size_t C);
// packed (C~32,O~4), weight (O,C)
void linear_pack_transposed(int8_t *packed, const int8_t *weight, size_t O, size_t C);
// packed (O,C~32), weight (O,C)
void linear_pack_gradient(float *packed, const int8_t *weight, size_t O, size_t C);
// out (N,O), residual (N,O)?, q (N,P), s (N), packed (O~32,P), scale (S)
void linear_forward(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *packed, const float *scale, size_t N,
                    size_t O, size_t P, size_t S);
// out (N,O), residual (N,O)?, q (N,C~4), s (N), weight (O,C), scale (S)
void linear_forward_naive(float *out, const float *residual, const int8_t *q, const float *s, const int8_t *weight, const float *scale,
                          size_t N, size_t O, size_t C, size_t S);
// dinp (N,C), dout (N,O), packed (O,C~32), scale (S), scratch (*)
void linear_backward_input(float *dinp, const float *dout, const float *packed, const float *scale, float *scratch, size_t N, size_t C,
                           size_t O, size_t S);
// dinp (N,C), dout (N,O), weight (O,C), scale (S)
void linear_backward_input_naive(float *dinp, const float *dout, const int8_t *weight, const float *scale, size_t N, size_t C, size_t O,
                                 size_t S);
// dlatent (O,C), dout (N,O), q (N,C~4), s (N), scratch (*)
void linear_backward_weight(float *dlatent, const float *dout, const int8_t *q, const float *s, float *scratch, size_t N, size_t C,
                            size_t O);
// dlatent (O,C), dout (N,O), q (N,C~4), s (N)
void linear_backward_weight_naive(float *dlatent, const float *dout, const int8_t *q, const float *s, size_t N, size_t C, size_t O);
// dlatent (O,C), dq (N,O~4), ds (N), q (N,C~4), s (N), draw (2), scratch (*)
void linear_backward_weight_int8(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s, const uint32_t *draw,
                                 float *scratch, size_t N, size_t C, size_t O);
// dlatent (O,C), dq (N,O~4), ds (N), q (N,C~4), s (N), draw (2)
void linear_backward_weight_int8_naive(float *dlatent, const int8_t *dq, const float *ds, const int8_t *q, const float *s,
                                       const uint32_t *draw, size_t N, size_t C, size_t O);

// out (B,T,C), inp (B,T,3C), weight (C,K)
void conv_forward(float *out, const float *inp, const float *weight, size_t B, size_t T, size_t C, size_t K);
// dinp (B,T,3C), dweight (C,K), dout (B,T,C), inp (B,T,3C), weight (C,K)
void conv_backward(float *dinp, float *dweight, const float *dout, const float *inp, const float *weight, size_t B, size_t T, size_t C,
                   size_t K);

// out (B,T,C), h (B,T,C), u (B,T,3C), inp (B,T,C), bias (C)
void scan_forward(float *out, float *h, float *u, const float *inp, const float *bias, size_t B, size_t T, size_t C);
// dinp (B,T,C), du (B,T,3C), dbias (C), dout (B,T,C), h (B,T,C), u (B,T,3C), inp (B,T,C)
void scan_backward(float *dinp, float *du, float *dbias, const float *dout, const float *h, const float *u, const float *inp, size_t B,
                   size_t T, size_t C);

// out (N,H), inp (N,2H)
void glu_forward(float *out, const float *inp, size_t N, size_t H);
// dinp (N,2H), dout (N,H), inp (N,2H)
void glu_backward(float *dinp, const float *dout, const float *inp, size_t N, size_t H);

// x (M), draw (2)
void dropout(float *x, const uint32_t *draw, size_t M);

// A ternary layer with what comes before it: [rmsnorm and] quantize_activations of inp, the product, [the residual sum].
typedef struct {
    const float *inp;          // (N,C)
    const float *gain;         // (C)? of the norm; None where there is none
    float *rstd;               // (N)? saved for backward, as q and s are
    int8_t *q;                 // (N,C~4)
    float *s;                  // (N)
    const int8_t *packed;      // (O~32,C~4) of linear_pack
    const int8_t *transposed;  // (C~32,O~4)? of linear_pack_transposed; only backward needs it
    const float *scale;        // (1)
    float *scratch;            // (Z) of block_scratch
    size_t N, C, O, Z;
} layer;
// out (N,O), residual (N,O)?
void layer_forward(float *out, const float *residual, const layer *layer);
// dinp (N,C), dgain (C)?, dq (N,O~4), ds (N), dout (N,O), draw (2), parts (N/64,C), layer.transposed (C~32,O~4)
void layer_backward(float *dinp, float *dgain, int8_t *dq, float *ds, const float *dout, const uint32_t *draw, float *parts,
                    const layer *layer);

// The second half of a block: inp + glu_out * glu(glu_in * rmsnorm(inp)).
typedef struct {
    const float *inp;              // (N,C)
    const float *gain;             // (C)
    float *rstd;                   // (N) saved for backward, as what follows
    int8_t *q;                     // (N,C~4) the input of glu_in
    float *s;                      // (N)
    float *u;                      // (N,2H) the output of glu_in
    int8_t *product_q;             // (N,H~4) the input of glu_out
    float *product_s;              // (N)
    const int8_t *packed_in;       // (2H~32,C~4) glu_in, of linear_pack
    const int8_t *transposed_in;   // (C~32,2H~4)? of linear_pack_transposed; only backward needs it
    const float *scale_in;         // (1)
    const int8_t *packed_out;      // (C~32,H~4) glu_out
    const int8_t *transposed_out;  // (H~32,C~4)?
    const float *scale_out;        // (1)
    const uint32_t *draw;          // (2) of dropout
    float *scratch;                // (Z) of block_scratch
    size_t N, C, H, Z;
} glu_block;
// out (N,C)
void glu_block_forward(float *out, const glu_block *block);
// dx (N,C), dgain (C), dq_out (N,C~4), ds_out (N), dq_in (N,2H~4), ds_in (N), draw_out (2), draw_in (2), parts (N/64,C),
// block.transposed_in (C~32,2H~4), block.transposed_out (H~32,C~4)
void glu_block_backward(float *dx, float *dgain, int8_t *dq_out, float *ds_out, int8_t *dq_in, float *ds_in, const uint32_t *draw_out,
                        const uint32_t *draw_in, float *parts, const glu_block *block);

// Copying: what came before in a window, and how likely each place is to go on.
typedef struct {
    const float *u;          // (B,T,2K) a query and a key of each token
    const float *sentinel;   // (K) the key of the network's own prediction
    const float *bias;       // (1) its advantage
    const int32_t *tokens;   // (B,T)
    const int32_t *targets;  // (B,T)
    float *power;            // (B,T,T) saved for backward
    float *scratch;          // (B,2,T~16,K~16)
    size_t B, T, K;
} copying;
// odds (B,T,2)
void copy_forward(float *odds, const copying *copying);
// du (B,T,2K), dsentinel (K), dbias (1), dodds (B,T,2)
void copy_backward(float *du, float *dsentinel, float *dbias, float *dodds, const copying *copying);

// loss (N), logits (N,V), targets (N), odds (N,2)?
void crossentropy(float *loss, float *logits, const int32_t *targets, float *odds, float dloss, size_t N, size_t V);
// The gradient of logits (N,V), of which most are zero: a row's entries are value[k] in column entry[k], k < count.
typedef struct {
    int32_t *entry;  // (N,E)
    float *value;    // (N,E)
    int32_t *count;  // (N)
    int32_t *first;  // (V) scratch of head_backward_sparse
    int32_t *next;   // (N,E) the same
    size_t N, E, V;
} sparse_gradient;
// loss (N), logits (N,V), targets (N), odds (N,2)?, draw (2)
void crossentropy_sparse(float *loss, const sparse_gradient *dlogits, float *logits, const int32_t *targets, float *odds,
                         const uint32_t *draw, float dloss);
// soft (N,V), logits (N,V), power (B,T,T)?, tokens (B,T)
void soft_targets(float *soft, float *logits, const float *power, const int32_t *tokens, size_t start, float share, size_t N, size_t V,
                  size_t T);
// loss (N), logits (N,V), odds (N,2)?, power (B,T,T)?, soft (N,V), targets (N), tokens (B,T)
void crossentropy_soft(float *loss, float *logits, float *odds, float *power, const float *soft, const int32_t *targets,
                       const int32_t *tokens, size_t start, float share, float dloss, size_t N, size_t V, size_t T);
// dense (N,V), draw (2)
void sparse_gradient_of(const sparse_gradient *dlogits, const float *dense, const uint32_t *draw);
// dinp (N,C), dlatent (V,C), q (N,C~4), s (N), weight (V,C), scale (V)
void head_backward_sparse(float *dinp, float *dlatent, const sparse_gradient *dlogits, const int8_t *q, const float *s,
                          const int8_t *weight, const float *scale, size_t C);

// ---- the optimizer ----
// values (M)
double sum_of_squares(const float *values, size_t M);

// correction: 1 - beta^step; the gradient is multiplied by grad_scale.
typedef struct {
    float rate, beta1, beta2, eps, decay, correction1, correction2, grad_scale;
} adamw;
// param (M), m (M), v (M), grad (M)
void adamw_update(float *param, float *m, float *v, float *grad, const adamw *settings, size_t M);

typedef struct {
    float rate, beta, decay, grad_scale;
} muon;
// param (M), momentum (M), grad (M), matrices (W,3), scratch (R,Z)
void muon_update(float *param, float *momentum, float *grad, const int32_t *matrices, float *scratch, const muon *settings, size_t W,
                 size_t R, size_t Z);
