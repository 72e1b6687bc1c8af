/* worker RECORDS MODE: a task of the chaos run, which notes for itself what happened to it.
 *
 * It appends to RECORDS/<task>.rec, one write a line:
 *   S run attempt slot pid parent   it has started
 *   O run                           it met another living process of its task (MODE x; not in MODE a)
 *   E run lines code                it has printed so many lines and exits with that code
 *   X run                           it was asked to end (SIGTERM)
 * It prints lines "<run> <number>", and how long it takes, how it ends and what it leaves behind follow from task, slot
 * and attempt. Its children hold the task's lock as well, so that one that outlives its run is met by the next.
 * MODE q: it is over at once and well. */
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <time.h>
#include <unistd.h>

static int record = -1;
static const char *run;

static const char *from_environment(const char *name, const char *otherwise)
{
    const char *value = getenv(name);
    return value ? value : otherwise;
}

static void note(const char *line)
{
    size_t length = strlen(line);
    if (write(record, line, length) != (ssize_t)length)
        _exit(99);
}

static void asked_to_end(int number)
{
    char line[80] = "X ";
    strncat(line, run, 60);
    strcat(line, "\n");
    note(line);
    _exit(128 + number);
}

static uint64_t hash(uint64_t seed, const char *text)
{
    while (*text)
        seed = (seed ^ (unsigned char)*text++) * 1099511628211u;
    return seed;
}

/* splitmix64: the next number below a bound. */
static unsigned draw(uint64_t *state, unsigned bound)
{
    uint64_t z = (*state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) % bound);
}

static void wait_milliseconds(unsigned milliseconds)
{
    struct timespec left = {milliseconds / 1000, (milliseconds % 1000) * 1000000L};
    while (nanosleep(&left, &left))
        ;
}

static void print_lines(unsigned from, unsigned until)
{
    char block[8192];
    size_t used = 0;

    for (unsigned i = from; i < until; i++) {
        used += (size_t)snprintf(block + used, sizeof block - used, "%s %u\n", run, i);
        if (used > sizeof block - 128 || i + 1 == until) {
            for (size_t done = 0; done < used;) {
                ssize_t written = write(1, block + done, used - done);
                if (written < 0)
                    _exit(98);
                done += (size_t)written;
            }
            used = 0;
        }
    }
}

/* A child in our session, or (as_stray) one that forked twice and has a session of its own. */
static void leave_behind(int as_stray, unsigned milliseconds)
{
    if (fork() != 0)
        return;
    signal(SIGTERM, SIG_DFL);
    if (as_stray) {
        setsid();
        if (fork() != 0)
            _exit(0);
    }
    wait_milliseconds(milliseconds);
    _exit(0);
}

int main(int argc, char **argv)
{
    char path[4096], line[512];
    const char *task = from_environment("SMART_CRON_TASK", "unknown");
    const char *slot = from_environment("SMART_CRON_SCHEDULED_FOR", "-");
    const char *attempt = from_environment("SMART_CRON_ATTEMPT", "0");
    run = from_environment("SMART_CRON_RUN_ID", "-");

    if (argc != 3)
        return 97;
    snprintf(path, sizeof path, "%s/%s.rec", argv[1], task);
    record = open(path, O_WRONLY | O_APPEND | O_CREAT, 0600);
    if (record < 0)
        return 96;
    signal(SIGTERM, asked_to_end);
    snprintf(line, sizeof line, "S %s %s %s %d %d\n", run, attempt, slot, (int)getpid(), (int)getppid());
    note(line);
    if (argv[2][0] == 'x') {
        snprintf(path, sizeof path, "%s/%s.lock", argv[1], task);
        if (flock(open(path, O_RDWR | O_CREAT, 0600), LOCK_EX | LOCK_NB)) {
            snprintf(line, sizeof line, "O %s\n", run);
            note(line);
        }
    }

    uint64_t state = hash(hash(hash(14695981039346656037u, task), slot), attempt);
    unsigned kind = draw(&state, 100), much = draw(&state, 100), end = draw(&state, 100), family = draw(&state, 100);
    unsigned milliseconds = kind < 70 ? draw(&state, 60) : kind < 94 ? draw(&state, 600) : draw(&state, 2500);
    unsigned lines = much < 60 ? draw(&state, 4) : much < 98 ? draw(&state, 300) : draw(&state, 20000);
    if (argv[2][0] == 'q')
        milliseconds = 0, lines = 3, end = family = 99;
    if (family < 10)
        leave_behind(family < 4, 20000);
    else if (family < 15)
        leave_behind(family < 12, 20);
    print_lines(0, lines / 2);
    wait_milliseconds(milliseconds);
    if (end < 2)
        for (;;)
            pause(); /* until the timeout */
    print_lines(lines / 2, lines);
    int code = end < 12 ? (int)end : 0;
    signal(SIGTERM, SIG_IGN); /* from here on it counts as ended */
    snprintf(line, sizeof line, "E %s %u %d\n", run, lines, code);
    note(line);
    return code;
}
