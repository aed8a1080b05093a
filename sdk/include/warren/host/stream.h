/* Byte streams: TCP as the host gives it to a transport.
 *
 * A transport says that it lives on streams by returning a table for WRN_EXT_STREAM. The host then
 * parses `listen`, opens the listeners and owns them; a transport that has WRN_EXT_UDP as well gets
 * a datagram socket on the same port number. Streams that carry inner packets of TCP react twice to
 * each loss (TCP over TCP): use them where datagrams do not pass.
 *
 * A stream begins with connect() or on_accept(). It ends in one of three ways, and then its handle
 * is stale for ever: close(), after which no callback comes for it; on_connected() with another
 * status than WRN_OK; or on_closed(). Every function answers WRN_E_NOT_FOUND for a stale handle and
 * WRN_E_STATE while the instance is not active, and no host function calls back before it returns.
 * After stop() the host closes what the instance left open, and logs that. */
#ifndef WARREN_HOST_STREAM_H
#define WARREN_HOST_STREAM_H
#include "../plugin.h"
WRN_BEGIN

#define WRN_STREAM_PARTS_MAX 256u /* parts of one write() */

#define WRN_HOST_STREAM "warren.host.stream/1"
typedef struct wrn_host_stream { /* all [io & active] */
   /* Calls `to`, an address with a port. on_connected(*stream) follows exactly once unless the
    * stream is closed before; with WRN_E_TIMEOUT after about half a minute without an answer.
    * WRN_E_INVALID: no address or no port. WRN_E_LIMIT: the instance has too many streams (1024),
    * or the machine too many files. *stream is written with WRN_OK only. [lends to] */
   wrn_status(WRN_CALL* connect)(const wrn_host* host, const wrn_addr* to, wrn_handle* stream);
   /* Writes the parts one after the other and says in *taken how many bytes of them it took; those
    * leave in order. Less than all, also 0, arms one on_writable(). The host keeps a bounded amount
    * (about 128 KiB that have not left); what it did not take stays with the caller. After
    * on_connected() or on_accept() only.
    * WRN_E_AGAIN: not connected yet. WRN_E_CLOSED: after shutdown(). WRN_E_INVALID: n >
    * WRN_STREAM_PARTS_MAX. *taken is 0 then. A connection that broke takes nothing, and on_closed()
    * comes in place of on_writable().
    * parts  n of them; a part may be empty. [lends] */
   wrn_status(WRN_CALL* write)(const wrn_host* host, wrn_handle stream, const wrn_bytes* parts,
                               uint32_t n, size_t* taken);
   /* No on_read() and no on_read_end() until read_resume(), from now on: the other side is slowed
    * down as soon as the kernel's buffer is full. Both may be called twice. */
   wrn_status(WRN_CALL* read_pause)(const wrn_host* host, wrn_handle stream);
   wrn_status(WRN_CALL* read_resume)(const wrn_host* host, wrn_handle stream);
   /* No on_accept() until accept_resume(); callers wait in the kernel's queue, and are refused when
    * that is full. The host does the same while the instance has as many streams as it may. */
   wrn_status(WRN_CALL* accept_pause)(const wrn_host* host, wrn_handle listener);
   wrn_status(WRN_CALL* accept_resume)(const wrn_host* host, wrn_handle listener);
   /* Half-close: after what write() took, the other side reads the end. Reading goes on. When the
    * other side has ended, too, on_closed(WRN_OK) follows. WRN_E_AGAIN: not connected yet. */
   wrn_status(WRN_CALL* shutdown)(const wrn_host* host, wrn_handle stream);
   /* Ends both directions at once, without a callback for this stream after return. What write()
    * took still leaves, unless the other side's bytes are unread here: then the stream is broken
    * off. */
   wrn_status(WRN_CALL* close)(const wrn_host* host, wrn_handle stream);
   /* Of a listener: the bound address, with its real port. Of a stream: our end. */
   wrn_status(WRN_CALL* local)(const wrn_host* host, wrn_handle listener_or_stream, wrn_addr* out);
   /* The other end; of a stream that is not connected yet, where it is going to. */
   wrn_status(WRN_CALL* remote)(const wrn_host* host, wrn_handle stream, wrn_addr* out);
} wrn_host_stream;

#define WRN_EXT_STREAM "warren.stream/1"
typedef struct wrn_stream { /* all [io & active]; none may be NULL */
   /* A listener of ours is open; comes between start() and the first open() of a link. The handle
    * is good until stop(). */
   void(WRN_CALL* on_listening)(const wrn_plugin* plugin, wrn_handle listener);
   /* Somebody called: `stream` is connected. From an unknown sender until it proved who it is.
    * from   its address and port [lends] */
   void(WRN_CALL* on_accept)(const wrn_plugin* plugin, wrn_handle listener, wrn_handle stream,
                             const wrn_addr* from);
   /* The answer to connect(). WRN_OK: connected. Else the handle is stale: WRN_E_UNREACHABLE
    * (refused, or no way there), WRN_E_TIMEOUT, WRN_E_CLOSED. */
   void(WRN_CALL* on_connected)(const wrn_plugin* plugin, wrn_handle stream, wrn_status status);
   /* The next bytes, at least one, in order; at most 64 KiB per call. Where one message ends the
    * stream does not say. [lends] */
   void(WRN_CALL* on_read)(const wrn_plugin* plugin, wrn_handle stream, wrn_bytes bytes);
   /* The other side has ended its direction: no more on_read(). Writing goes on; close() or
    * shutdown() is up to the plugin. */
   void(WRN_CALL* on_read_end)(const wrn_plugin* plugin, wrn_handle stream);
   /* Once after a short write(). */
   void(WRN_CALL* on_writable)(const wrn_plugin* plugin, wrn_handle stream);
   /* The stream is gone and the handle stale. WRN_OK: both directions had ended. WRN_E_CLOSED: the
    * other side broke it off. WRN_E_TIMEOUT, WRN_E_UNREACHABLE: what was written was not
    * acknowledged for half a minute. */
   void(WRN_CALL* on_closed)(const wrn_plugin* plugin, wrn_handle stream, wrn_status status);
} wrn_stream;

WRN_END
#endif
