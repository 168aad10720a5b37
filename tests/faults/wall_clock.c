/* Preloaded into a process, moves its wall clock by WALL_CLOCK_S seconds, and no other clock.

   That is what a clock that is set, or is wrong, does to a program. libfaketime is not used: it
   moves the monotonic clock as well, but not the waits for a lock that Python measures on it
   (sem_clockwait), so that such a wait never ends; and with the monotonic clock left alone it
   fails Python's sleep (version 0.9.10). Times of files are the kernel's, and are not moved.

   cc -shared -fPIC -o wall_clock.so wall_clock.c */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <stdlib.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static time_t moved_by;

__attribute__((constructor)) static void read_offset(void) {
  const char *seconds = getenv("WALL_CLOCK_S");
  moved_by = seconds ? atoll(seconds) : 0;
}

int clock_gettime(clockid_t clock, struct timespec *now) {
  int failed = syscall(SYS_clock_gettime, clock, now);
  if (!failed && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) now->tv_sec += moved_by;
  return failed;
}

int gettimeofday(struct timeval *restrict now, void *restrict zone) {
  int failed = syscall(SYS_gettimeofday, now, zone);
  if (!failed) now->tv_sec += moved_by;
  return failed;
}

time_t time(time_t *kept) {
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  if (kept) *kept = now.tv_sec;
  return now.tv_sec;
}

/* The kernel waits until a time of the clock that is not moved. */
static struct timespec kernels(const struct timespec *until) {
  struct timespec real = *until;
  real.tv_sec -= moved_by;
  return real;
}

int sem_timedwait(sem_t *restrict semaphore, const struct timespec *restrict until) {
  struct timespec real = kernels(until);
  return sem_clockwait(semaphore, CLOCK_REALTIME, &real);
}

/* A condition keeps which clock it waits on; the time, decades apart, tells which one it is. */
int pthread_cond_timedwait(pthread_cond_t *restrict condition, pthread_mutex_t *restrict mutex,
                           const struct timespec *restrict until) {
  struct timespec wall, monotonic;
  clock_gettime(CLOCK_REALTIME, &wall);
  clock_gettime(CLOCK_MONOTONIC, &monotonic);
  if (llabs((long long)until->tv_sec - monotonic.tv_sec) < llabs((long long)until->tv_sec - wall.tv_sec))
    return pthread_cond_clockwait(condition, mutex, CLOCK_MONOTONIC, until);
  struct timespec real = kernels(until);
  return pthread_cond_clockwait(condition, mutex, CLOCK_REALTIME, &real);
}
