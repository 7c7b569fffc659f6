/* The first process of the boot test: runs the commands of the file /commands and restarts the machine.

   Each line of /commands is a command, its arguments separated by tabs. Before it comes `boot: <command>`, after it
   `boot: exit <status>`, or `boot: killed by signal <n>`, on the console, where the command's own output goes. At the start and
   before the end a line says how much memory the kernel has left. No shell, no mounts, no other file. */

#define _GNU_SOURCE

#include <stdio.h>
#include <string.h>
#include <sys/reboot.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

static void memory(void) {
    struct sysinfo info;
    if (sysinfo(&info) == 0)
        printf("boot: memory %lu KiB, free %lu KiB\n", info.totalram / 1024 * info.mem_unit, info.freeram / 1024 * info.mem_unit);
}

static void run(char *line) {
    char *arguments[32] = {0};
    for (int i = 0; i < 31 && (arguments[i] = strtok(i == 0 ? line : NULL, "\t\n")) != NULL; i++) continue;
    if (!arguments[0]) return;
    printf("boot: %s\n", arguments[0]);
    fflush(stdout);
    int status = 0;
    pid_t child = fork();
    if (child == 0) {
        execv(arguments[0], arguments);
        perror(arguments[0]);
        _exit(127);
    }
    if (child < 0 || waitpid(child, &status, 0) < 0) perror("boot");
    if (WIFSIGNALED(status)) printf("boot: killed by signal %d\n", WTERMSIG(status));
    else printf("boot: exit %d\n", child < 0 ? 127 : WEXITSTATUS(status));
}

int main(void) {
    char line[4096];
    FILE *commands = fopen("/commands", "r");
    memory();
    while (commands && fgets(line, sizeof line, commands)) run(line);
    memory();
    printf("boot: end\n");
    fflush(stdout);
    sync();
    reboot(RB_AUTOBOOT); /* with -no-reboot the emulator ends here */
    for (;;) pause();
}
