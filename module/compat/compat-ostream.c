/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Any process: what differs between the supported Dovecots in a connection. */

#include "lib.h"
#include "net.h"
#include "ostream-file-private.h"
#include "compat-ostream.h"

void popinjay_ostream_set_nodelay(struct ostream *output, bool cork)
{
	struct ostream_private *stream = output->real_stream;
	struct file_ostream *fstream;

	if (stream->sendv != o_stream_file_sendv)
		return;
	fstream = container_of(stream, struct file_ostream, ostream);
	if (fstream->fd == -1 || net_set_tcp_nodelay(fstream->fd, TRUE) < 0)
		return;
	if (!cork)
		fstream->no_socket_cork = TRUE;
	fstream->no_socket_nodelay = TRUE;
#ifdef POPINJAY_HAVE_OSTREAM_NO_DELAY_ENABLED
	fstream->no_delay_enabled = FALSE;
#endif
}
