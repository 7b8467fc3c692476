/* channels: what the channels of a loop share. */
#include "channel/private.h"

#include "error/error.h"

#include <errno.h>
#include <stdlib.h>

void channel_touch(struct channel *channel)
{
	struct channels *channels = channel->channels;
	if (channel->place != NULL)
		return;
	channel->next = channels->touched;
	if (channel->next != NULL)
		channel->next->place = &channel->next;
	channel->place = &channels->touched;
	channels->touched = channel;
}

void channel_untouch(struct channel *channel)
{
	if (channel->place == NULL)
		return;
	*channel->place = channel->next;
	if (channel->next != NULL)
		channel->next->place = channel->place;
	channel->place = NULL;
}

static void on_idle(uv_idle_t *idle)
{
}

static void on_prepare(uv_prepare_t *prepare)
{
	struct channels *channels = prepare->data;
	struct channel *round = channels->touched;
	channels->touched = NULL;
	if (round != NULL)
		round->place = &round;
	while (round != NULL) {
		struct channel *channel = round;
		channel_untouch(channel);
		if (channel->soon && channel->state == STATE_OPEN) {
			channel->soon = false;
			channel->ops->soon(channel->arg);
		}
		channel_flush(channel);
	}
	if (channels->touched != NULL)
		uv_idle_start(&channels->idle, on_idle);
	else
		uv_idle_stop(&channels->idle);
}

int channels_create(struct channels **made, uv_loop_t *loop, unsigned silence_ms, struct clog_error *err)
{
	struct channels *channels = calloc(1, sizeof *channels);
	if (channels != NULL)
		channels->input = malloc(CHANNEL_INPUT_SIZE + PLAIN_SIZE);
	if (channels == NULL || channels->input == NULL) {
		free(channels);
		return clog_error_set(err, -ENOMEM, "no memory");
	}
	channels->loop = loop;
	channels->silence_ms = silence_ms;
	uv_idle_init(loop, &channels->idle);
	uv_prepare_init(loop, &channels->prepare);
	channels->prepare.data = channels->idle.data = channels;
	channels->open_handles = 2;
	uv_prepare_start(&channels->prepare, on_prepare);
	uv_unref((uv_handle_t *)&channels->prepare);
	*made = channels;
	return 0;
}

void channels_end(struct channels *channels)
{
	void (*closed)(void *arg) = channels->closed;
	void *arg = channels->arg;
	if (closed == NULL || channels->open_handles > 0 || channels->open_channels > 0)
		return;
	free(channels->input);
	free(channels);
	closed(arg);
}

static void on_handle_closed(uv_handle_t *handle)
{
	struct channels *channels = handle->data;
	channels->open_handles--;
	channels_end(channels);
}

void channels_destroy(struct channels *channels, void (*closed)(void *arg), void *arg)
{
	channels->closed = closed;
	channels->arg = arg;
	uv_close((uv_handle_t *)&channels->prepare, on_handle_closed);
	uv_close((uv_handle_t *)&channels->idle, on_handle_closed);
}
