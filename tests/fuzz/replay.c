// Runs a fuzz target over files, without libFuzzer: the corpora and the inputs of old bugs as
// tests, with any compiler.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

#include "tests/fuzz/fuzz.h"

#define PATH_BYTES 1024
#define INPUT_BYTES_MAX (4u << 20)

__attribute__((weak)) int LLVMFuzzerInitialize(int *argc, char ***argv);

static int64_t slow_us; // 0: no input is too slow
static int64_t slowest_us;

static int64_t
processor_us(void)
{
    struct timespec now;

    (void)clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static bool
run_file(const char *path)
{
    uint8_t *read = rt_alloc(INPUT_BYTES_MAX);
    uint8_t *data = NULL;
    FILE *file = fopen(path, "rb");
    size_t len = 0;
    int64_t began_us = 0;
    int64_t took_us = 0;

    if (file == NULL) {
        (void)fprintf(stderr, "%s: %s\n", path, strerror(errno));
        rt_free(read);
        return false;
    }
    len = fread(read, 1, INPUT_BYTES_MAX, file);
    (void)fclose(file);
    // a block of exactly its size, so that a sanitizer sees a read behind it
    data = rt_alloc(len);
    memcpy(data, read, len);
    rt_free(read);
    rt_check_context(path);
    began_us = processor_us();
    (void)LLVMFuzzerTestOneInput(data, len);
    took_us = processor_us() - began_us;
    rt_check_context(NULL);
    rt_free(data);
    slowest_us = RT_MAX(slowest_us, took_us);
    if (slow_us > 0 && took_us > slow_us) {
        (void)printf("slow: %s takes %lld us\n", path, (long long)took_us);
        return false;
    }
    return true;
}

static bool
run_folder(const char *path, size_t *count)
{
    struct dirent **names = NULL;
    bool ok = true;
    int found = scandir(path, &names, NULL, alphasort);

    for (int i = 0; i < found; i++) {
        char file[PATH_BYTES];

        (void)snprintf(file, sizeof(file), "%s/%s", path, names[i]->d_name);
        if (names[i]->d_name[0] != '.') {
            ok = run_file(file) && ok;
            *count += 1;
        }
        free(names[i]);
    }
    free(names);
    return ok;
}

int
main(int argc, char **argv)
{
    size_t count = 0;
    bool ok = true;

    if (LLVMFuzzerInitialize != NULL) {
        (void)LLVMFuzzerInitialize(&argc, &argv);
    }
    for (int i = 1; i < argc; i++) {
        struct stat info;

        if (strcmp(argv[i], "--slow-ms") == 0 && i + 1 < argc) {
            int64_t ms = 0;

            ok = rt_parse_i64(rt_str_of(argv[++i]), &ms) == RT_OK && ok;
            slow_us = ms * 1000;
            continue;
        }

        if (stat(argv[i], &info) == 0 && S_ISDIR(info.st_mode)) {
            ok = run_folder(argv[i], &count) && ok;
        } else {
            ok = run_file(argv[i]) && ok;
            count++;
        }
    }
    (void)printf("%zu inputs, the slowest took %lld us\n", count, (long long)slowest_us);
    return ok && count > 0 ? 0 : 1;
}
