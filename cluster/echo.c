/* Whether this is still its leader's term: a majority is asked, and only then is the log's end told as of now. One round
 * for all that was asked before it began. */
#include "cluster/state.h"

#include <errno.h>
#include <stdlib.h>

static bool is_voter(const struct cluster *cluster, uint64_t id)
{
	size_t i = member_index(cluster, id);
	return i < cluster->machine.members.count && cluster->machine.members.members[i].role == SERVICE_VOTER;
}

static bool has_majority(const struct cluster *cluster)
{
	size_t voters = 0, yes = 0;
	for (size_t i = 0; i < cluster->machine.members.count; i++) {
		const struct service_member *member = &cluster->machine.members.members[i];
		if (member->role != SERVICE_VOTER)
			continue;
		voters++;
		yes += member->id == cluster->identity.id;
		for (size_t k = 0; k < cluster->echo.heard_count; k++)
			yes += cluster->echo.heard[k] == member->id;
	}
	return yes > voters / 2;
}

static void ask_all(struct cluster *cluster)
{
	const struct message message = {
		.type = MESSAGE_ECHO, .term = core_term(cluster->core), .round = cluster->echo.round};
	for (size_t i = 0; i < cluster->machine.members.count; i++)
		if (cluster->machine.members.members[i].role == SERVICE_VOTER)
			peer_send(cluster, cluster->machine.members.members[i].id, &message);
}

/* The round is won: what was asked is answered once all that was committed when it began is applied here. */
static void finish_round(struct cluster *cluster)
{
	struct echo *echo = &cluster->echo;
	struct request *asking = echo->asking;
	struct batch_list doubtful = echo->doubtful;
	if (doubtful.first == NULL)
		list_init(&doubtful);
	echo->out = false;
	echo->asking = NULL;
	list_init(&echo->doubtful);
	while (asking != NULL) {
		struct request *request = asking;
		asking = request->next;
		request_promise(cluster, request->origin, request->number, UINT64_MAX, request->entry);
		cluster->request_count--;
		free(request);
	}
	while (doubtful.first != NULL) {
		struct batch *batch = list_take(&doubtful);
		append_settle(cluster, batch, batch->status, 0, 0);
	}
}

static void begin_round(struct cluster *cluster)
{
	struct echo *echo = &cluster->echo;
	while (!echo->out && (echo->next != NULL || echo->doubtful_next.first != NULL)) {
		echo->round++;
		echo->out = true;
		echo->heard_count = 0;
		echo->asking = echo->next;
		echo->next = NULL;
		list_init(&echo->doubtful);
		list_prepend(&echo->doubtful, &echo->doubtful_next);
		for (struct request *request = echo->asking; request != NULL; request = request->next)
			request->entry = cluster->commit;
		if (has_majority(cluster) || MUTANT(NO_ECHO))
			finish_round(cluster);
		else
			ask_all(cluster);
	}
}

void echo_ask(struct cluster *cluster, uint64_t origin, uint64_t number)
{
	if (cluster->request_count >= REQUESTS_MAX)
		return;
	struct request *request = calloc(1, sizeof *request);
	if (request == NULL)
		return;
	*request = (struct request){.next = cluster->echo.next, .origin = origin, .number = number};
	cluster->echo.next = request;
	cluster->request_count++;
	begin_round(cluster);
}

void echo_doubt(struct cluster *cluster, struct batch *batch, int status)
{
	batch->status = status;
	list_add(&cluster->echo.doubtful_next, batch);
	begin_round(cluster);
}

void echo_receive(struct cluster *cluster, const struct message *message)
{
	const struct message answer = {
		.type = MESSAGE_ECHO_RESULT, .term = core_term(cluster->core), .round = message->round};
	if (message->term == core_term(cluster->core))
		peer_send(cluster, message->from, &answer);
}

void echo_result(struct cluster *cluster, const struct message *message)
{
	struct echo *echo = &cluster->echo;
	if (!echo->out || message->round != echo->round || message->term != core_term(cluster->core) ||
	    !cluster_leads(cluster) || !is_voter(cluster, message->from))
		return;
	for (size_t i = 0; i < echo->heard_count; i++)
		if (echo->heard[i] == message->from)
			return;
	if (echo->heard_count == SERVICE_MEMBERS_MAX)
		return;
	echo->heard[echo->heard_count++] = message->from;
	if (has_majority(cluster)) {
		finish_round(cluster);
		begin_round(cluster);
	}
}

void echo_repeat(struct cluster *cluster)
{
	if (!cluster->echo.out || !cluster_leads(cluster))
		return;
	/* The members may be others than when it began. */
	if (has_majority(cluster)) {
		finish_round(cluster);
		begin_round(cluster);
	} else {
		ask_all(cluster);
	}
}

static void forget(struct cluster *cluster, struct request **list)
{
	while (*list != NULL) {
		struct request *request = *list;
		*list = request->next;
		cluster->request_count--;
		free(request);
	}
}

void echo_forget(struct cluster *cluster)
{
	struct echo *echo = &cluster->echo;
	forget(cluster, &echo->asking);
	forget(cluster, &echo->next);
	list_prepend(&cluster->waiting, &echo->doubtful_next);
	list_prepend(&cluster->waiting, &echo->doubtful);
	echo->out = false;
}
