/* A main for a fuzz target without libFuzzer: gives it the files named, and those in folders named;
 * --tour: has it try every wrong call it knows. */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
void fuzz_tour(void);

static int feed(const char *path)
{
    static uint8_t data[1 << 20];
    FILE *f = fopen(path, "rb");
    size_t size;

    if (!f)
        return 0;
    size = fread(data, 1, sizeof data, f);
    fclose(f);
    (void)LLVMFuzzerTestOneInput(data, size);
    return 1;
}

int main(int argc, char **argv)
{
    int count = 0;

    if (argc == 2 && strcmp(argv[1], "--tour") == 0) {
        fuzz_tour();
        return 0;
    }
    for (int i = 1; i < argc; i++) {
        DIR *dir = opendir(argv[i]);
        struct dirent *entry;
        char path[4096];

        if (!dir) {
            count += feed(argv[i]);
            continue;
        }
        while ((entry = readdir(dir))) {
            if (entry->d_name[0] == '.')
                continue;
            snprintf(path, sizeof path, "%s/%s", argv[i], entry->d_name);
            count += feed(path);
        }
        closedir(dir);
    }
    printf("%d inputs\n", count);
    return count == 0;
}
