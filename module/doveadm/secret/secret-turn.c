/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* doveadm: takes turns in changing secrets.

   A dict can only read and write, so hosts take turns by Fischer's algorithm: a
   host that sees that it is nobody's turn writes that it is its own, waits
   until every host that saw the same must have written, too, and checks that it
   still is. The host that had the last turn need not wait, because the others
   do. A host that was delayed longer than that wait, at just the wrong moment,
   finds out by secret_turn_check(). */

#include "lib.h"
#include "hex-binary.h"
#include "hostpid.h"
#include "randgen.h"
#include "sha2.h"
#include "str.h"
#include "secret-turn.h"
#include "small-file.h"
#include "store.h"
#include "time-units.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define BOOT_ID_PATH "/proc/sys/kernel/random/boot_id"
#define BOOT_ID_MAX_BYTES 64
#define ID_BYTES 8
/* A host writes this soon after it looked, unless it is badly overloaded. */
#define SETTLE_MSECS 300
#define POLL_MSECS 20
/* A host whose record does not change for this long is taken for dead. */
#define DEAD_MSECS (10 * MSECS_IN_SEC)
#define WAIT_MAX_MSECS (60 * MSECS_IN_SEC)
/* With many users, let others in this often and this long. */
#define HOLD_MAX_MSECS 1000
#define PAUSE_MSECS 60

struct secret_turn {
	struct popinjay_secret_store *store;
	const char *key_file;
	int lock_fd;

	/* ids: of everybody who locks the same key file, and of this process */
	char *host, *process;
	unsigned int counter;
	/* our record in the store while it is our turn, or NULL */
	char *value;
	int64_t taken_msecs;
};

static int64_t now_msecs(void)
{
	struct timespec ts;

	if (clock_gettime(CLOCK_MONOTONIC, &ts) < 0)
		i_fatal("clock_gettime() failed: %m");
	return (int64_t)ts.tv_sec * MSECS_IN_SEC + ts.tv_nsec / NSECS_IN_MSEC;
}

static void sleep_msecs(unsigned int msecs)
{
	usleep(msecs * 1000);
}

struct secret_turn *secret_turn_init(struct popinjay_secret_store *store,
				     const char *key_file)
{
	struct secret_turn *turn = i_new(struct secret_turn, 1);
	unsigned char id[ID_BYTES];

	turn->store = store;
	turn->key_file = key_file;
	turn->lock_fd = -1;
	random_fill(id, sizeof(id));
	turn->process = i_strdup(binary_to_hex(id, sizeof(id)));
	return turn;
}

/* --- the lock --- */

/* A copy of the file on another host has the same name, and may have the same
   inode. */
static const char *host_id(const struct stat *st)
{
	unsigned char digest[SHA256_RESULTLEN];
	string_t *text = t_str_new(128);
	const char *error;

	str_printfa(text, "%s %llu %llu ", my_hostname,
		    (unsigned long long)st->st_dev,
		    (unsigned long long)st->st_ino);
	(void)popinjay_small_file_read(BOOT_ID_PATH, BOOT_ID_MAX_BYTES, text,
				       &error);
	sha256_get_digest(str_data(text), str_len(text), digest);
	return binary_to_hex(digest, ID_BYTES);
}

static int lock_take(struct secret_turn *turn, const char **error_r)
{
	struct stat st;

	turn->lock_fd = open(turn->key_file, O_RDONLY | O_CLOEXEC);
	if (turn->lock_fd == -1) {
		*error_r = t_strdup_printf("open(%s) failed: %m",
					   turn->key_file);
		return -1;
	}
	if (flock(turn->lock_fd, LOCK_EX) < 0 ||
	    fstat(turn->lock_fd, &st) < 0) {
		*error_r = t_strdup_printf("locking %s failed: %m",
					   turn->key_file);
		i_close_fd(&turn->lock_fd);
		return -1;
	}
	i_free(turn->host);
	turn->host = i_strdup(host_id(&st));
	return 0;
}

/* --- the record --- */

/* "HOST PROCESS-COUNTER taken|passed HOSTNAME" */
static const char *format_value(const struct secret_turn *turn, bool taken)
{
	return t_strdup_printf("%s %s-%u %s %.40s", turn->host, turn->process,
			       turn->counter, taken ? "taken" : "passed",
			       my_hostname);
}

static bool is_of_host(const char *value, const char *host)
{
	size_t len = strlen(host);

	return strncmp(value, host, len) == 0 && value[len] == ' ';
}

static const char *taken_by(const char *value)
{
	const char *p = strstr(value, " taken ");

	return p == NULL ? NULL : p + strlen(" taken ");
}

/* *value_r is "" if there is none. */
static int
get_value(struct secret_turn *turn, const char **value_r, const char **error_r)
{
	const char *error;
	int ret = popinjay_secret_store_get_turn(turn->store,
		pool_datastack_create(), value_r, &error);

	if (ret < 0) {
		*error_r = t_strdup_printf("looking up failed: %s", error);
		return -1;
	}
	if (ret == 0)
		*value_r = "";
	return 0;
}

/* Wait until it is not the turn of another living host. *value_r is what the
   store has then. Returns 0, or -1 with the reason in error_r. */
static int
wait_for_others(struct secret_turn *turn, const char **value_r,
		const char **error_r)
{
	int64_t start = now_msecs(), since = start;
	const char *seen = "";

	for (;;) {
		int64_t now = now_msecs();

		if (get_value(turn, value_r, error_r) < 0)
			return -1;
		if (taken_by(*value_r) == NULL ||
		    is_of_host(*value_r, turn->host))
			return 0;
		if (strcmp(seen, *value_r) != 0) {
			seen = *value_r;
			since = now;
		} else if (now - since >= DEAD_MSECS) {
			return 0;
		}
		if (now - start >= WAIT_MAX_MSECS) {
			*error_r = t_strdup_printf("%s is changing secrets: "
				"try again later", taken_by(*value_r));
			return -1;
		}
		sleep_msecs(POLL_MSECS);
	}
}

static int take(struct secret_turn *turn, const char **error_r)
{
	const char *value, *mine, *error;

	if (turn->value != NULL) {
		if (get_value(turn, &value, error_r) < 0)
			return -1;
		if (strcmp(value, turn->value) == 0)
			return 0;
		i_free(turn->value);
	}
	for (;;) {
		if (wait_for_others(turn, &value, error_r) < 0)
			return -1;
		turn->counter++;
		mine = format_value(turn, TRUE);
		if (popinjay_secret_store_set_turn(turn->store, mine,
						   &error) < 0) {
			*error_r = t_strdup_printf("writing failed: %s", error);
			return -1;
		}
		if (!is_of_host(value, turn->host))
			sleep_msecs(SETTLE_MSECS);
		if (get_value(turn, &value, error_r) < 0)
			return -1;
		if (strcmp(value, mine) == 0)
			break;
	}
	turn->value = i_strdup(mine);
	turn->taken_msecs = now_msecs();
	return 0;
}

int secret_turn_take(struct secret_turn *turn, const char **error_r)
{
	return lock_take(turn, error_r) < 0 ? -1 : take(turn, error_r);
}

int secret_turn_check(struct secret_turn *turn, const char **error_r)
{
	const char *value;

	i_assert(turn->value != NULL);
	if (get_value(turn, &value, error_r) < 0)
		return -1;
	if (strcmp(value, turn->value) != 0) {
		*error_r = t_strdup_printf("%s is changing secrets at the "
			"same time", taken_by(value) == NULL ? "another host" :
			taken_by(value));
		return -1;
	}
	return 0;
}

/* Needs the lock. A failure does no harm: the turn then ends with this
   process. */
static void pass(struct secret_turn *turn)
{
	const char *error;

	if (secret_turn_check(turn, &error) == 0) {
		(void)popinjay_secret_store_set_turn(turn->store,
			format_value(turn, FALSE), &error);
	}
	i_free(turn->value);
}

void secret_turn_pass(struct secret_turn *turn)
{
	bool pause = FALSE;

	if (turn->value != NULL &&
	    now_msecs() - turn->taken_msecs >= HOLD_MAX_MSECS) T_BEGIN {
		pass(turn);
		pause = TRUE;
	} T_END;
	/* this also releases the lock */
	i_close_fd(&turn->lock_fd);
	if (pause)
		sleep_msecs(PAUSE_MSECS);
}

void secret_turn_deinit(struct secret_turn **_turn)
{
	struct secret_turn *turn = *_turn;
	const char *error;

	if (turn == NULL)
		return;
	*_turn = NULL;
	if (turn->value != NULL) T_BEGIN {
		if (lock_take(turn, &error) == 0)
			pass(turn);
	} T_END;
	i_close_fd(&turn->lock_fd);
	i_free(turn->value);
	i_free(turn->host);
	i_free(turn->process);
	i_free(turn);
}
