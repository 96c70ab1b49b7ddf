#include "tests/faults/tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

static void
remove_at(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
    const struct dirent *entry = NULL;

    while (dir != NULL && (entry = readdir(dir)) != NULL) {
        bool is_dots = strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0;

        if (!is_dots && unlinkat(fd, entry->d_name, 0) != 0) {
            remove_at(fd, entry->d_name);
        }
    }
    if (dir != NULL) {
        (void)closedir(dir); // closes fd as well
    }
    (void)unlinkat(parent, name, AT_REMOVEDIR); // what is left shows when it is made again
}

void
tree_remove(const char *path)
{
    remove_at(AT_FDCWD, path);
}
