// Load generator: closed loop, one thread, epoll; speaks RESP and memcached's text protocol.
//
// Each connection sends a batch of --pipeline requests, waits for all their replies, and sends
// the next batch. A request's latency runs from the moment its batch is written to the moment
// the read that held the end of its reply returned. Keys come from a fixed seed, so every
// target sees the same requests. Prints one line of JSON; exits 0 only if every reply was
// complete and right.

#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum protocol { REDIS, MEMCACHED };
enum command { GET, SET, MGET, FILL };  // FILL: SET of every key in order, once each

enum { KEY_SIZE = 16, REQUEST_OVERHEAD = 128, KEY_OVERHEAD = 32, LINE_MAX_SIZE = 256 };

static struct {
    enum protocol protocol;
    enum command command;
    int port, connections, pipeline, keys_per_request;
    long requests, key_count, value_size;
    double seconds_max;
} options = {REDIS, GET, 6379, 50, 1, 10, 100000, 10000, 64, 60};

struct connection {
    int fd;
    bool waits_for_room;  // EPOLLOUT is asked for

    char *out;
    size_t out_count, out_capacity, out_sent;

    int waiting;           // requests sent and not yet answered
    uint64_t batch_start;  // ns

    // The reply parser, resumable at every byte.
    char line[LINE_MAX_SIZE];
    size_t line_count;
    long body_left;   // bytes of a value still to skip, its CRLF included
    long items_left;  // RESP: elements still missing from the reply; 0 between replies
    int values_seen;  // memcached: VALUE lines of the reply
};

static struct {
    long sent, done, errors, misses, wrong;
} count;

static int epoll_fd;
static char *value;
static uint64_t now_ns;  // read once per wake-up

static void fail(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    fputs("load: ", stderr);
    vfprintf(stderr, format, arguments);
    fputc('\n', stderr);
    exit(2);
}

static uint64_t clock_ns(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return (uint64_t)time.tv_sec * 1000000000u + (uint64_t)time.tv_nsec;
}

static uint64_t random_next(void) {  // xorshift64, Marsaglia 2003
    static uint64_t state = 88172645463325252u;
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    return state;
}

// --- Latency histogram: 32 bins per power of two of 100 ns, so at most 3 % too low. ---

static uint32_t histogram[64 * 32];

static int bin_of(uint64_t units) {
    if (units < 64) return (int)units;
    int shift = 63 - __builtin_clzll(units) - 5;
    return shift * 32 + (int)(units >> shift);
}

static double bin_microseconds(int bin) {
    if (bin < 64) return bin / 10.0;
    return (double)((uint64_t)(bin % 32 + 32) << (bin / 32 - 1)) / 10.0;
}

static double percentile(double fraction) {
    long rank = (long)((double)count.done * fraction), seen = 0;
    for (int bin = 0; bin < 64 * 32; bin++) {
        seen += histogram[bin];
        if (seen > rank) return bin_microseconds(bin);
    }
    return 0;
}

// --- Requests ---

static char *put_text(char *to, const char *text) { return stpcpy(to, text); }

static char *put_key(char *to, long number) {
    memcpy(to, "key:", 4);
    for (int digit = KEY_SIZE - 1; digit >= 4; digit--, number /= 10) {
        to[digit] = (char)('0' + number % 10);
    }
    return to + KEY_SIZE;
}

static char *put_value(char *to) {
    memcpy(to, value, (size_t)options.value_size);
    return put_text(to + options.value_size, "\r\n");
}

static long any_key(void) { return (long)(random_next() % (uint64_t)options.key_count); }

static char *put_redis_request(char *to) {
    switch (options.command) {
    case GET:
        to = put_text(to, "*2\r\n$3\r\nGET\r\n$16\r\n");
        return put_text(put_key(to, any_key()), "\r\n");
    case SET:
    case FILL:
        to = put_text(to, "*3\r\n$3\r\nSET\r\n$16\r\n");
        to = put_key(to, options.command == FILL ? count.sent % options.key_count : any_key());
        to += sprintf(to, "\r\n$%ld\r\n", options.value_size);
        return put_value(to);
    case MGET:
        to += sprintf(to, "*%d\r\n$4\r\nMGET\r\n", options.keys_per_request + 1);
        for (int key = 0; key < options.keys_per_request; key++) {
            to = put_text(put_key(put_text(to, "$16\r\n"), any_key()), "\r\n");
        }
        return to;
    }
    return to;
}

static char *put_memcached_request(char *to) {
    switch (options.command) {
    case GET:
    case MGET:
        to = put_text(to, "get");
        for (int key = 0; key < (options.command == GET ? 1 : options.keys_per_request); key++) {
            *to++ = ' ';
            to = put_key(to, any_key());
        }
        return put_text(to, "\r\n");
    case SET:
    case FILL:
        to = put_text(to, "set ");
        to = put_key(to, options.command == FILL ? count.sent % options.key_count : any_key());
        to += sprintf(to, " 0 0 %ld\r\n", options.value_size);
        return put_value(to);
    }
    return to;
}

static void watch(struct connection *connection, bool for_room, int operation) {
    struct epoll_event event = {EPOLLIN | (for_room ? EPOLLOUT : 0), {.ptr = connection}};
    if (epoll_ctl(epoll_fd, operation, connection->fd, &event)) fail("epoll_ctl: %m");
    connection->waits_for_room = for_room;
}

static void flush_out(struct connection *connection) {
    while (connection->out_sent < connection->out_count) {
        ssize_t sent = send(connection->fd, connection->out + connection->out_sent,
                            connection->out_count - connection->out_sent, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            if (!connection->waits_for_room) watch(connection, true, EPOLL_CTL_MOD);
            return;
        }
        if (sent < 0) fail("send: %m after %ld replies", count.done);
        connection->out_sent += (size_t)sent;
    }
    connection->out_count = connection->out_sent = 0;
    if (connection->waits_for_room) watch(connection, false, EPOLL_CTL_MOD);
}

static void send_batch(struct connection *connection) {
    connection->batch_start = clock_ns();
    while (connection->waiting < options.pipeline && count.sent < options.requests) {
        char *end = connection->out + connection->out_count;
        end = options.protocol == REDIS ? put_redis_request(end) : put_memcached_request(end);
        connection->out_count = (size_t)(end - connection->out);
        connection->waiting++;
        count.sent++;
    }
    flush_out(connection);
}

// --- Replies ---

static void did_reply(struct connection *connection) {
    if (connection->waiting == 0) fail("a reply to no request: %s", connection->line);
    connection->waiting--;
    histogram[bin_of((now_ns - connection->batch_start) / 100)]++;
    count.done++;
}

static void count_error(struct connection *connection) {
    if (count.errors++ == 0) fprintf(stderr, "load: first error reply: %s", connection->line);
}

static void did_read_redis_line(struct connection *connection) {
    long number = atol(connection->line + 1);
    if (connection->items_left == 0) connection->items_left = 1;
    connection->items_left--;
    switch (connection->line[0]) {
    case '*': connection->items_left += number > 0 ? number : 0; break;
    case '$':
        if (number < 0) {
            count.misses++;
        } else {
            connection->body_left = number + 2;
            if (number != options.value_size) count.wrong++;
        }
        break;
    case '+':
    case ':': break;
    case '-': count_error(connection); break;
    default: fail("not a RESP reply: %s", connection->line);
    }
    if (connection->items_left == 0 && connection->body_left == 0) did_reply(connection);
}

static void did_read_memcached_line(struct connection *connection) {
    if (!strncmp(connection->line, "VALUE ", 6)) {
        long size = atol(strrchr(connection->line, ' ') + 1);
        connection->body_left = size + 2;
        connection->values_seen++;
        if (size != options.value_size) count.wrong++;
        return;
    }
    if (!strncmp(connection->line, "END", 3)) {
        int wanted = options.command == MGET ? options.keys_per_request : 1;
        count.misses += wanted - connection->values_seen;
        connection->values_seen = 0;
    } else if (strncmp(connection->line, "STORED", 6)) {
        count_error(connection);
    }
    did_reply(connection);
}

static void did_receive(struct connection *connection, const char *bytes, size_t size) {
    const char *end = bytes + size;
    while (bytes < end) {
        if (connection->body_left) {
            long received = end - bytes;
            long skipped = received < connection->body_left ? received : connection->body_left;
            bytes += skipped;
            connection->body_left -= skipped;
            bool ends_reply = options.protocol == REDIS && connection->items_left == 0;
            if (connection->body_left == 0 && ends_reply) did_reply(connection);
            continue;
        }
        const char *newline = memchr(bytes, '\n', (size_t)(end - bytes));
        size_t part = (size_t)((newline ? newline + 1 : end) - bytes);
        if (connection->line_count + part >= LINE_MAX_SIZE) fail("a reply line is too long");
        memcpy(connection->line + connection->line_count, bytes, part);
        connection->line_count += part;
        bytes += part;
        if (!newline) return;
        connection->line[connection->line_count] = 0;
        connection->line_count = 0;
        if (options.protocol == REDIS) did_read_redis_line(connection);
        else did_read_memcached_line(connection);
    }
}

static void did_become_readable(struct connection *connection) {
    static char buffer[256 * 1024];
    ssize_t size = recv(connection->fd, buffer, sizeof buffer, 0);
    if (size < 0 && errno == EAGAIN) return;
    if (size < 0) fail("recv: %m after %ld replies", count.done);
    if (size == 0) fail("connection closed after %ld replies", count.done);
    did_receive(connection, buffer, (size_t)size);
    if (connection->waiting == 0 && count.sent < options.requests) send_batch(connection);
}

// --- The run ---

static void open_connection(struct connection *connection) {
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_port = htons((uint16_t)options.port),
                                  .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int on = 1;
    size_t keys = options.command == MGET ? (size_t)options.keys_per_request : 1;
    size_t values = options.command == SET || options.command == FILL ? 1 : 0;
    size_t request_max =
        REQUEST_OVERHEAD + keys * KEY_OVERHEAD + values * (size_t)options.value_size;
    connection->out_capacity = request_max * (size_t)options.pipeline;
    connection->out = malloc(connection->out_capacity);
    connection->fd = socket(AF_INET, SOCK_STREAM, 0);
    if (connection->fd < 0) fail("socket: %m");
    if (connect(connection->fd, (struct sockaddr *)&address, sizeof address)) {
        fail("connect to port %d: %m", options.port);
    }
    setsockopt(connection->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    fcntl(connection->fd, F_SETFL, O_NONBLOCK);
    watch(connection, false, EPOLL_CTL_ADD);
}

static double run(struct connection *connections) {
    uint64_t start = clock_ns();
    struct epoll_event events[512];
    for (int i = 0; i < options.connections; i++) send_batch(&connections[i]);
    while (count.done < options.requests) {
        int ready = epoll_wait(epoll_fd, events, 512, 1000);
        now_ns = clock_ns();
        if ((double)(now_ns - start) / 1e9 > options.seconds_max) break;
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (events[i].events & EPOLLOUT) flush_out(connection);
            if (events[i].events & (EPOLLIN | EPOLLHUP | EPOLLERR)) did_become_readable(connection);
        }
    }
    return (double)(clock_ns() - start) / 1e9;
}

static enum command parse_command(const char *name) {
    static const char *const names[] = {"get", "set", "mget", "fill"};
    for (int i = 0; i < 4; i++) {
        if (!strcmp(name, names[i])) return (enum command)i;
    }
    fail("unknown command %s", name);
    return GET;
}

static void parse_options(int argc, char **argv) {
    static const struct option known[] = {
        {"protocol", 1, 0, 'r'},    {"command", 1, 0, 'o'},    {"port", 1, 0, 'p'},
        {"connections", 1, 0, 'c'}, {"pipeline", 1, 0, 'P'},   {"requests", 1, 0, 'n'},
        {"keys", 1, 0, 'k'},        {"value-size", 1, 0, 'd'}, {"keys-per-request", 1, 0, 'm'},
        {"seconds-max", 1, 0, 't'}, {0, 0, 0, 0},
    };
    for (int option; (option = getopt_long(argc, argv, "", known, NULL)) != -1;) {
        switch (option) {
        case 'r': options.protocol = strcmp(optarg, "redis") ? MEMCACHED : REDIS; break;
        case 'o': options.command = parse_command(optarg); break;
        case 'p': options.port = atoi(optarg); break;
        case 'c': options.connections = atoi(optarg); break;
        case 'P': options.pipeline = atoi(optarg); break;
        case 'n': options.requests = atol(optarg); break;
        case 'k': options.key_count = atol(optarg); break;
        case 'd': options.value_size = atol(optarg); break;
        case 'm': options.keys_per_request = atoi(optarg); break;
        case 't': options.seconds_max = atof(optarg); break;
        default: fail("see the options in load.c");
        }
    }
}

int main(int argc, char **argv) {
    parse_options(argc, argv);
    value = malloc((size_t)options.value_size + 1);
    memset(value, 'x', (size_t)options.value_size);
    epoll_fd = epoll_create1(0);
    struct connection *connections = calloc((size_t)options.connections, sizeof *connections);
    for (int i = 0; i < options.connections; i++) open_connection(&connections[i]);

    double seconds = run(connections);
    long missing = options.requests - count.done;
    printf("{\"done\": %ld, \"seconds\": %.4f, \"rps\": %.1f, \"p50\": %.1f, \"p99\": %.1f, "
           "\"p999\": %.1f, \"errors\": %ld, \"misses\": %ld, \"wrong\": %ld, \"missing\": %ld}\n",
           count.done, seconds, (double)count.done / seconds, percentile(.5), percentile(.99),
           percentile(.999), count.errors, count.misses, count.wrong, missing);
    return count.errors || count.misses || count.wrong || missing ? 3 : 0;
}
