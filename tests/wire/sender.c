/* A foreign sender, written from docs/wire-protocol.md alone.
 *
 *   cc -O2 -o sender sender.c -lzmq
 *   sender ENDPOINT STREAM ROWS_PER_BLOCK BLOCKS CHANNELS [PERIOD_US]
 *
 * Sends int16 rows: value = (sample * CHANNELS + channel) modulo 2^16. Block 5 is left
 * out on purpose and said to be lost; every block is kept until it is acknowledged. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#if __has_include(<zmq.h>)
#include <zmq.h>
#else /* the few things of zmq.h that are used, so that libzmq alone suffices */
enum { ZMQ_DEALER = 5, ZMQ_SNDMORE = 2, ZMQ_POLLIN = 1 };
typedef struct {
    void *socket;
    int fd;
    short events, revents;
} zmq_pollitem_t;
void *zmq_ctx_new(void), *zmq_socket(void *, int);
int zmq_ctx_term(void *), zmq_close(void *), zmq_connect(void *, const char *);
int zmq_send(void *, const void *, size_t, int), zmq_recv(void *, void *, size_t, int);
int zmq_poll(zmq_pollitem_t *, int, long);
#endif

enum { HELLO = 1, WELCOME, DATA, LOST, CLOCK, END, ACK, RESEND, REFUSED, STOP };

struct header {
    char magic[4];
    uint8_t version, kind;
    uint16_t flags;
    uint64_t key, digest, sender, sequence, first;
    int64_t device_ns, host_ns;
    uint32_t rows, epoch, batch, reserved;
};
_Static_assert(sizeof(struct header) == 80, "no padding");

static uint64_t key, digest, sender_id, acknowledged, next_to_send;
static int stopped, refused;

static int64_t monotonic_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static struct header head(int kind, uint64_t sequence) {
    struct header h = {{'R', 'I', 'G', 'D'}, 1, (uint8_t)kind, 0, key, digest,
                       sender_id, sequence, 0, 0, 0, 0, 0, 0, 0};
    h.host_ns = monotonic_ns();
    return h;
}

static void send_parts(void *socket, struct header h, const void *body, size_t size) {
    zmq_send(socket, &h, sizeof h, size ? ZMQ_SNDMORE : 0);
    if (size) zmq_send(socket, body, size, 0);
}

/* Send numbered message `n`: blocks, one of them lost, then END. */
static void send_numbered(void *socket, uint64_t n, uint32_t rows, uint64_t blocks,
                          uint32_t channels) {
    struct header h = head(DATA, n);
    if (n == blocks) {
        h.kind = END;
        send_parts(socket, h, "", 0);
        return;
    }
    h.first = n * rows;
    if (n == 5) {
        unsigned char body[14] = {0};
        uint64_t count = rows;
        memcpy(body, &count, 8);
        memcpy(body + 8, "driver", 6);
        h.kind = LOST;
        send_parts(socket, h, body, sizeof body);
        return;
    }
    h.rows = rows;
    h.device_ns = INT64_MIN;
    size_t values = (size_t)rows * channels;
    int16_t *body = malloc(values * 2);
    for (size_t i = 0; i < values; i++)
        body[i] = (int16_t)(uint16_t)(h.first * channels + i);
    send_parts(socket, h, body, values * 2);
    free(body);
}

static void listen_for(void *socket, long timeout_ms) {
    zmq_pollitem_t item = {socket, 0, ZMQ_POLLIN, 0};
    while (zmq_poll(&item, 1, timeout_ms) > 0) {
        unsigned char reply[4096];
        int size = zmq_recv(socket, reply, sizeof reply, 0);
        struct header h;
        if (size < (int)sizeof h) continue;
        memcpy(&h, reply, sizeof h);
        if (h.sender != sender_id) continue;
        if (h.kind == WELCOME) {
            key = h.key, digest = h.digest, next_to_send = h.sequence;
        } else if (h.kind == ACK && h.sequence > acknowledged) {
            acknowledged = h.sequence;
        } else if (h.kind == RESEND) {
            if (h.sequence == UINT64_MAX) key = 0;
            else next_to_send = h.sequence;
        } else if (h.kind == REFUSED) {
            refused = 1;
        } else if (h.kind == STOP) {
            stopped = 1;
        }
        timeout_ms = 0;
    }
}

int main(int argc, char **argv) {
    if (argc < 6) return 2;
    const char *stream = argv[2];
    uint32_t rows = strtoul(argv[3], 0, 10), channels = strtoul(argv[5], 0, 10);
    uint64_t blocks = strtoull(argv[4], 0, 10);
    long period_us = argc > 6 ? atol(argv[6]) : 0;
    sender_id = (uint64_t)monotonic_ns() | 1;
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    if (zmq_connect(socket, argv[1])) return perror("connect"), 1;
    int64_t give_up = monotonic_ns() + 60000000000LL;
    while (acknowledged <= blocks && !refused && monotonic_ns() < give_up) {
        if (!key) {
            send_parts(socket, head(HELLO, 0), stream, strlen(stream));
            listen_for(socket, 500);
        } else if (next_to_send <= blocks) {
            if (stopped && next_to_send < blocks) blocks = next_to_send;
            send_numbered(socket, next_to_send++, rows, blocks, channels);
            listen_for(socket, 0);
            if (period_us) usleep(period_us);
        } else {
            listen_for(socket, 100);
        }
    }
    zmq_close(socket);
    zmq_ctx_term(context);
    printf("%llu blocks, %llu acknowledged\n", (unsigned long long)blocks,
           (unsigned long long)acknowledged);
    return refused || acknowledged <= blocks;
}
