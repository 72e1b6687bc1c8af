/* raw FLIGHT RUNS PROGRAM [ARGUMENT...]
 *
 * The least that a scheduler which captures output can do: start PROGRAM RUNS times with posix_spawn, FLIGHT at a
 * time, read both of its pipes to their ends and wait for it. Prints runs, seconds by the clock and CPU seconds, its
 * own and its children's, as JSON.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

struct run {
    pid_t pid;
    int out, err;
};

static void fail(const char *what)
{
    perror(what);
    exit(1);
}

static void start(struct run *run, char **argv)
{
    int out[2], err[2];
    posix_spawn_file_actions_t actions;

    if (pipe2(out, O_CLOEXEC) || pipe2(err, O_CLOEXEC))
        fail("pipe2");
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, out[1], 1);
    posix_spawn_file_actions_adddup2(&actions, err[1], 2);
    if (posix_spawn(&run->pid, argv[0], &actions, NULL, argv, environ))
        fail("posix_spawn");
    posix_spawn_file_actions_destroy(&actions);
    close(out[1]);
    close(err[1]);
    run->out = out[0];
    run->err = err[0];
}

/* One pipe after the other: the programs measured print less than a pipe holds, so none can block on the second. */
static void drain(int pipe)
{
    char bytes[4096];

    while (read(pipe, bytes, sizeof bytes) > 0)
        ;
    close(pipe);
}

static void finish(struct run *run)
{
    int status;

    drain(run->out);
    drain(run->err);
    if (waitpid(run->pid, &status, 0) != run->pid || status != 0) {
        fprintf(stderr, "a run failed\n");
        exit(1);
    }
}

static double seconds(struct timeval time)
{
    return time.tv_sec + time.tv_usec / 1e6;
}

static double cpu_seconds(int who)
{
    struct rusage usage;

    getrusage(who, &usage);
    return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

static double now(void)
{
    struct timespec time;

    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int argc, char **argv)
{
    if (argc < 4 || atoi(argv[1]) < 1) {
        fprintf(stderr, "usage: raw FLIGHT RUNS PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    int flight = atoi(argv[1]), runs = atoi(argv[2]);
    struct run *ring = calloc(flight, sizeof *ring);
    double began = now();

    for (int i = 0; i < runs + flight; i++) {
        if (i >= flight && i - flight < runs)
            finish(&ring[i % flight]);
        if (i < runs)
            start(&ring[i % flight], argv + 3);
    }
    double wall = now() - began;
    printf("{\"runs\": %d, \"wall_seconds\": %.6f, \"cpu_seconds\": %.6f}\n", runs, wall,
           cpu_seconds(RUSAGE_SELF) + cpu_seconds(RUSAGE_CHILDREN));
    return 0;
}
