/* A library that does nothing: what the loader asks for any library that is preloaded. */
int pmi_bench_written_at_start = 1;
