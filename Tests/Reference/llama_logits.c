// Logits of llama.cpp's library at every place of some texts, for `compare_llama_cpp.py --peer`. Built against it:
//
//   S=llama.cpp; B=$S/build
//   cc -O2 -I$S/include -I$S/ggml/include -c Tests/Reference/llama_logits.c -o llama_logits.o
//   c++ llama_logits.o -Wl,--start-group $(find $B -name "libllama.a" -o -name "libggml*.a") -Wl,--end-group \
//     -fopenmp -lpthread -ldl -lm -o llama_logits       # and -libverbs where it was built with RPC over RDMA
//
//   llama_logits FILE.gguf THREADS < TEXTS > LOGITS
//
// TEXTS has a line of token ids for each text; LOGITS are fp32, [tokens, vocabulary] of each text after another. The
// cache is in F32, flash attention is off, as in the script. Errors and the library's warnings go to stderr.
#include <llama.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LONGEST = 1 << 16 };

static void note(enum ggml_log_level level, const char *text, void *nothing) {
  (void)nothing;
  if (level >= GGML_LOG_LEVEL_WARN) fputs(text, stderr);
}

static int fail(const char *what) {
  fprintf(stderr, "llama_logits: %s\n", what);
  return 1;
}

int main(int count, char **words) {
  if (count != 3) return fail("usage: llama_logits FILE.gguf THREADS < TEXTS > LOGITS");
  llama_log_set(note, NULL);
  llama_backend_init();
  struct llama_model_params of_model = llama_model_default_params();
  struct llama_model *model = llama_model_load_from_file(words[1], of_model);
  if (!model) return fail("the file cannot be loaded");
  const int vocabulary = llama_vocab_n_tokens(llama_model_get_vocab(model));
  char *line = malloc(8 * LONGEST);
  if (!line) return fail("no memory");
  while (fgets(line, 8 * LONGEST, stdin)) {
    struct llama_batch batch = llama_batch_init(LONGEST, 0, 1);
    for (char *word = strtok(line, " \n"); word && batch.n_tokens < LONGEST; word = strtok(NULL, " \n")) {
      const int i = batch.n_tokens++;
      batch.token[i] = atoi(word), batch.pos[i] = i, batch.n_seq_id[i] = 1, batch.seq_id[i][0] = 0, batch.logits[i] = 1;
    }
    struct llama_context_params of_context = llama_context_default_params();
    const int room = batch.n_tokens > 64 ? batch.n_tokens : 64;
    of_context.n_ctx = of_context.n_batch = of_context.n_ubatch = room;
    of_context.n_threads = of_context.n_threads_batch = atoi(words[2]);
    of_context.type_k = of_context.type_v = GGML_TYPE_F32;
    of_context.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_DISABLED;
    of_context.swa_full = true;
    struct llama_context *context = llama_init_from_model(model, of_context);
    if (!context) return fail("no context can be made");
    if (llama_decode(context, batch)) return fail("the text cannot be read");
    fwrite(llama_get_logits(context), sizeof(float), (size_t)batch.n_tokens * vocabulary, stdout);
    llama_free(context);
    llama_batch_free(batch);
  }
  llama_model_free(model);
  return 0;
}
