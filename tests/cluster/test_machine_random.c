/* Entries at random, beside a model of sessions that is as plain as can be: a heap of rows in no order. At every step the machine is encoded and decoded, and both go on. CLOG_SEED replays,
 * CLOG_SOAK=1 takes many seeds. */
#include "cluster/machine.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tests/cluster/history.h"
#include "tests/disk/dice.h"

#define STEPS 1500
#define ROWS_MAX 12u
#define HOT 3u    /* sessions that get the most */
#define SPAN 300u /* sequences are drawn from so many, so that they meet */
#define PACE 4u   /* by so many they go on with each entry */

struct model_row {
	uint64_t session;
	struct machine_result result;
};

struct model_session {
	uint64_t id, used;
};

struct model {
	struct model_row rows[STEPS * ROWS_MAX];
	struct model_session sessions[STEPS];
	size_t row_count, session_count;
};

struct run {
	struct history history;
	struct machine copy; /* decoded anew at every step */
	struct model model;
	struct dice dice;
	unsigned refused, taken, ended, answers[5];
};

static struct run run;

/* ---- The model ---- */

static struct model_session *model_session(struct model *model, uint64_t id)
{
	for (size_t i = 0; i < model->session_count; i++)
		if (model->sessions[i].id == id)
			return &model->sessions[i];
	return NULL;
}

static enum machine_answer model_find(struct model *model, uint64_t session, uint64_t sequence, uint32_t count,
                                      struct machine_result *result)
{
	unsigned rows = 0;
	bool below = true;
	if (model_session(model, session) == NULL)
		return MACHINE_ENDED;
	for (size_t i = 0; i < model->row_count; i++) {
		const struct machine_result *one = &model->rows[i].result;
		if (model->rows[i].session != session)
			continue;
		for (uint64_t asked = sequence; asked < sequence + count; asked++) {
			if (asked < one->sequence || asked >= one->sequence + one->count)
				continue;
			*result = *one;
			return one->sequence == sequence && one->count == count ? MACHINE_KNOWN : MACHINE_INVALID;
		}
		rows++;
		below = below && sequence < one->sequence;
	}
	return below && rows == MACHINE_RESULTS_MAX ? MACHINE_UNKNOWN : MACHINE_NEW;
}

static void model_add(struct model *model, const struct model_row *row)
{
	size_t rows = 0, lowest = model->row_count;
	model->rows[model->row_count++] = *row;
	for (size_t i = 0; i < model->row_count; i++) {
		if (model->rows[i].session != row->session)
			continue;
		rows++;
		if (model->rows[i].result.sequence < model->rows[lowest].result.sequence)
			lowest = i;
	}
	if (rows > MACHINE_RESULTS_MAX)
		model->rows[lowest] = model->rows[--model->row_count];
}

static void model_open(struct model *model, uint64_t id)
{
	if (model->session_count == MACHINE_SESSIONS_MAX) {
		size_t least = 0;
		for (size_t i = 1; i < model->session_count; i++)
			if (model->sessions[i].used < model->sessions[least].used)
				least = i;
		for (size_t i = least + 1; i < model->session_count; i++)
			model->sessions[i - 1] = model->sessions[i];
		model->session_count--;
	}
	model->sessions[model->session_count++] = (struct model_session){.id = id, .used = id};
}

static bool model_take_row(struct model *model, const struct log_session *row, uint64_t entry, uint64_t offset)
{
	struct machine_result result;
	if (row->session == 0)
		return true;
	if (row->sequence == 0)
		return false;
	struct model_session *session = model_session(model, row->session);
	if (session == NULL)
		return true;
	enum machine_answer answer = model_find(model, row->session, row->sequence, row->count, &result);
	if (answer == MACHINE_KNOWN || answer == MACHINE_INVALID)
		return false;
	session->used = entry;
	model_add(model, &(struct model_row){row->session, {row->sequence, offset, entry, row->count}});
	return true;
}

/* Takes the rows in, all or none. */
static bool model_take(struct model *model, const struct log_session *rows, uint32_t count, uint64_t entry,
                       uint64_t offset)
{
	static struct model before;
	before = *model;
	for (uint32_t i = 0; i < count; i++) {
		if (!model_take_row(model, &rows[i], entry, offset)) {
			*model = before;
			return false;
		}
		offset += rows[i].count;
	}
	return true;
}

/* ---- The steps ---- */

static uint64_t any_session(void)
{
	size_t count = run.model.session_count;
	if (count == 0 || dice_once_in(&run.dice, 20))
		return dice_below(&run.dice, run.history.machine.entry + 3);
	if (dice_once_in(&run.dice, 4) || count < HOT)
		return run.model.sessions[dice_below(&run.dice, count)].id;
	return run.model.sessions[dice_below(&run.dice, HOT)].id;
}

/* They go up with time, more or less. */
static uint64_t any_sequence(void)
{
	if (dice_once_in(&run.dice, 200))
		return 0;
	return 1 + PACE * run.history.machine.entry + dice_below(&run.dice, SPAN);
}

static int records(void)
{
	struct log_session rows[ROWS_MAX];
	uint32_t row_count = (uint32_t)dice_below(&run.dice, dice_once_in(&run.dice, 3) ? ROWS_MAX : 2) + 1, total = 0;
	for (uint32_t i = 0; i < row_count; i++) {
		rows[i] = (struct log_session){.session = any_session(),
		                               .sequence = any_sequence(),
		                               .count = 1 + (uint32_t)dice_below(&run.dice, 3)};
		total += rows[i].count;
	}
	uint64_t entry = run.history.machine.entry + 1, offset = run.history.tail.next_offset;
	bool wanted = model_take(&run.model, rows, row_count, entry, offset);
	int rc = history_records(&run.history, total + (uint32_t)dice_below(&run.dice, 3), rows, row_count);
	assert_int_equal(rc, wanted ? 0 : -EBADMSG);
	return rc;
}

static int configure(void)
{
	struct service_member members[SERVICE_MEMBERS_MAX];
	size_t count = 1 + (size_t)dice_below(&run.dice, SERVICE_MEMBERS_MAX);
	history_name(members, count);
	for (size_t i = 0; i < count; i++)
		members[i].role = (enum service_role)dice_below(&run.dice, 3);
	size_t first = (size_t)dice_below(&run.dice, count);
	return history_members(&run.history, members + first, count - first);
}

static int command(void)
{
	struct control control = {.type = CONTROL_RETAIN,
	                          .offset = dice_below(&run.dice, run.history.tail.next_offset + 2),
	                          .retain_bytes = dice_next(&run.dice),
	                          .retain_ns = dice_next(&run.dice)};
	uint64_t first = run.history.machine.first_offset;
	if (dice_once_in(&run.dice, 2))
		return history_control(&run.history, &control);
	control.type = CONTROL_TRIM;
	int rc = history_control(&run.history, &control);
	assert_int_equal(rc, control.offset <= run.history.tail.next_offset ? 0 : -EBADMSG);
	if (rc == 0 && control.offset > first)
		first = control.offset;
	assert_int_equal(run.history.machine.first_offset, first);
	return rc;
}

static void ask(void)
{
	for (unsigned i = 0; i < 4; i++) {
		struct machine_result got = {0}, wanted = {0};
		uint64_t session = any_session(), sequence = 1 + dice_below(&run.dice, 1 + any_sequence());
		uint32_t count = 1 + (uint32_t)dice_below(&run.dice, 3);
		if (run.model.row_count > 0 && dice_once_in(&run.dice, 2)) {
			const struct model_row *row = &run.model.rows[dice_below(&run.dice, run.model.row_count)];
			session = row->session;
			sequence = row->result.sequence;
			count = dice_once_in(&run.dice, 4) ? count : row->result.count;
		}
		enum machine_answer answer = machine_find(&run.history.machine, session, 0, sequence, count, &got);
		assert_int_equal(answer, model_find(&run.model, session, sequence, count, &wanted));
		assert_int_equal(got.entry != 0, answer == MACHINE_KNOWN);
		run.answers[answer]++;
		if (answer == MACHINE_KNOWN) {
			assert_int_equal(got.sequence, sequence);
			assert_int_equal(got.count, count);
			assert_int_equal(got.entry, wanted.entry);
			assert_int_equal(got.offset, wanted.offset);
		}
	}
}

/* The copy stands where the machine stands, decoded just now from its bytes. */
static void compare(void)
{
	static unsigned char bytes[MACHINE_SIZE_MAX], again[MACHINE_SIZE_MAX];
	size_t size = machine_encode(&run.history.machine, bytes);
	assert_int_equal(machine_encode(&run.copy, again), size);
	assert_memory_equal(again, bytes, size);
	machine_finish(&run.copy);
	machine_init(&run.copy);
	assert_int_equal(history_decode(&run.copy, bytes, size), 0);
	assert_int_equal(machine_encode(&run.copy, again), size);
	assert_memory_equal(again, bytes, size);
}

static int step(void)
{
	switch (dice_below(&run.dice, 10)) {
	case 0:
		return command();
	case 1:
		return dice_once_in(&run.dice, 2) ? configure() : history_barrier(&run.history);
	case 2:
	case 3:
	case 4:
	case 5:
		run.ended += run.model.session_count == MACHINE_SESSIONS_MAX;
		model_open(&run.model, history_session(&run.history));
		return 0;
	default:
		return records();
	}
}

static void live(uint64_t seed)
{
	dice_init(&run.dice, seed);
	history_init(&run.history);
	machine_init(&run.copy);
	run.history.second = &run.copy;
	run.model.row_count = run.model.session_count = 0;
	for (unsigned i = 0; i < STEPS; i++) {
		int rc = step();
		run.taken += rc == 0;
		run.refused += rc != 0;
		compare();
		ask();
	}
	history_finish(&run.history);
	machine_finish(&run.copy);
}

static void entries_at_random_make_the_machine_that_the_model_makes(void **state)
{
	uint64_t seed = dice_seed("machine_random");
	for (unsigned i = 0; i < (dice_soak() ? 10u : 1u); i++) {
		printf("machine_random: now CLOG_SEED=%llu\n", (unsigned long long)(seed + i));
		live(seed + i);
	}
	printf("machine_random: %u taken, %u refused, %u sessions ended; asked: %u new, %u known, %u unknown, %u "
	       "invalid\n",
	       run.taken, run.refused, run.ended, run.answers[MACHINE_NEW], run.answers[MACHINE_KNOWN],
	       run.answers[MACHINE_UNKNOWN], run.answers[MACHINE_INVALID]);
	assert_true(run.taken > STEPS / 2 && run.refused > 0);
	for (unsigned i = 0; i < 4; i++)
		assert_true(run.answers[i] > 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_at_random_make_the_machine_that_the_model_makes),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
