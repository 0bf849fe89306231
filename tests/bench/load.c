/* A saturating or paced DNS load over UDP: sends the queries of a file in turn, counts replies, measures latency. Prints JSON.
 *
 * usage: load ADDRESS PORT FILE SECONDS WINDOW FLOWS [RATE]
 *   FILE: queries in wire form, each after its length in two octets. WINDOW: queries outstanding in all. FLOWS: sockets.
 *   RATE: queries per second in all; 0 (default): as fast as replies come back (closed loop).
 * Each flow uses ids 0..65535 in turn, so a reply's id tells when its query was sent. IPv4 only. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <poll.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 64, FLOWS_MAX = 64, OCTETS_MAX = 9000, BUCKETS = 4096 };

static uint64_t now_ns(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* Latency in a histogram of 64 steps per doubling: 1 % resolution, from nanoseconds to hours. */
static uint64_t histogram[BUCKETS];
static unsigned bucket(uint64_t ns) {
  if (ns < 64) return (unsigned)ns;
  unsigned exponent = 63u - (unsigned)__builtin_clzll(ns);
  return (exponent - 5) * 64 + (unsigned)((ns >> (exponent - 6)) & 63);
}
static double bucket_us(unsigned b) {
  if (b < 64) return b / 1000.0;
  unsigned exponent = b / 64 + 5;
  return (double)((64ull + (b & 63)) << (exponent - 6)) / 1000.0;
}
static double percentile(uint64_t total, double share) {
  uint64_t wanted = (uint64_t)(total * share), seen = 0;
  for (unsigned b = 0; b < BUCKETS; b++)
    if ((seen += histogram[b]) > wanted) return bucket_us(b);
  return 0;
}

struct query { unsigned char *octets; unsigned size; };
struct flow { int fd; unsigned out; uint16_t id; uint64_t last; uint64_t sent_at[65536]; };

int main(int argc, char **argv) {
  if (argc < 7) { fprintf(stderr, "usage: load ADDRESS PORT FILE SECONDS WINDOW FLOWS [RATE]\n"); return 2; }
  double seconds = atof(argv[4]), rate = argc > 7 ? atof(argv[7]) : 0;
  unsigned window = (unsigned)atoi(argv[5]), flow_count = (unsigned)atoi(argv[6]);
  if (flow_count < 1 || flow_count > FLOWS_MAX || window < flow_count) { fprintf(stderr, "load: 1..%d flows, window >= flows\n", FLOWS_MAX); return 2; }

  FILE *file = fopen(argv[3], "rb");
  if (!file) { perror(argv[3]); return 1; }
  struct query *queries = NULL;
  size_t count = 0, room = 0;
  for (int high; (high = getc(file)) != EOF;) {
    unsigned size = (unsigned)high << 8 | (unsigned)getc(file);
    if (count == room) { room = room ? room * 2 : 1024; queries = realloc(queries, room * sizeof *queries); }
    queries[count].octets = malloc(size);
    queries[count].size = size;
    if (size < 12 || fread(queries[count].octets, 1, size, file) != size) { fprintf(stderr, "load: %s is cut short\n", argv[3]); return 1; }
    count++;
  }
  if (!count) { fprintf(stderr, "load: %s holds no query\n", argv[3]); return 1; }

  struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
  if (inet_pton(AF_INET, argv[1], &to.sin_addr) != 1) { fprintf(stderr, "load: %s is no IPv4 address\n", argv[1]); return 2; }
  static struct flow flows[FLOWS_MAX];
  int buffer = 4 << 20;
  for (unsigned f = 0; f < flow_count; f++) {
    flows[f].fd = socket(AF_INET, SOCK_DGRAM, 0);
    setsockopt(flows[f].fd, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
    if (connect(flows[f].fd, (struct sockaddr *)&to, sizeof to)) { perror("connect"); return 1; }
  }

  static unsigned char in[BATCH][OCTETS_MAX];
  static uint16_t ids[BATCH];
  struct iovec in_parts[BATCH], out_parts[BATCH][2];
  struct mmsghdr in_messages[BATCH], out_messages[BATCH];
  memset(in_messages, 0, sizeof in_messages);
  memset(out_messages, 0, sizeof out_messages);
  for (unsigned i = 0; i < BATCH; i++) {
    in_parts[i] = (struct iovec){in[i], OCTETS_MAX};
    in_messages[i].msg_hdr.msg_iov = &in_parts[i];
    in_messages[i].msg_hdr.msg_iovlen = 1;
    out_parts[i][0] = (struct iovec){&ids[i], 2};
    out_messages[i].msg_hdr.msg_iov = out_parts[i];
    out_messages[i].msg_hdr.msg_iovlen = 2;
  }

  prctl(PR_SET_TIMERSLACK, 1ul); /* a pause ends when it should, not 50 us later */
  uint64_t sent = 0, got = 0, lost = 0, octets = 0, rcodes[16] = {0};
  uint64_t start = now_ns(), end = start + (uint64_t)(seconds * 1e9), t;
  size_t next = 0;
  for (unsigned f = 0; f < flow_count; f++) flows[f].last = start;
  while ((t = now_ns()) < end) {
    int progress = 0;
    for (unsigned f = 0; f < flow_count; f++) {
      struct flow *flow = &flows[f];
      unsigned each = window / flow_count, free = each > flow->out ? each - flow->out : 0, m = free < BATCH ? free : BATCH;
      if (rate > 0) {
        double due = rate * (double)(t - start) / 1e9 - (double)sent;
        if (due < m) m = due > 0 ? (unsigned)due : 0;
      }
      if (m) {
        for (unsigned i = 0; i < m; i++) {
          ids[i] = htons(flow->id);
          flow->sent_at[flow->id++] = t;
          out_parts[i][1] = (struct iovec){queries[next].octets + 2, queries[next].size - 2};
          if (++next == count) next = 0;
        }
        int done = sendmmsg(flow->fd, out_messages, m, 0);
        if (done < 0) done = 0;
        flow->id = (uint16_t)(flow->id - (m - (unsigned)done));
        sent += (unsigned)done;
        if (!flow->out) flow->last = t; /* it has been quiet: the second begins now */
        flow->out += (unsigned)done;
        progress |= done > 0;
      }
      int received = recvmmsg(flow->fd, in_messages, BATCH, MSG_DONTWAIT, NULL);
      if (received > 0) {
        uint64_t at = now_ns();
        for (int i = 0; i < received; i++) {
          uint64_t since = flow->sent_at[(uint16_t)(in[i][0] << 8 | in[i][1])];
          unsigned b = bucket(at - since);
          histogram[b < BUCKETS ? b : BUCKETS - 1]++;
          rcodes[in[i][3] & 15]++;
          octets += in_messages[i].msg_len;
        }
        got += (unsigned)received;
        flow->out -= flow->out < (unsigned)received ? flow->out : (unsigned)received;
        flow->last = at;
        progress = 1;
      } else if (flow->out && t - flow->last > 1000000000u) { /* a second without a reply: these are lost */
        lost += flow->out;
        flow->out = 0;
        flow->last = t;
      }
    }
    if (!progress) {
      struct pollfd waiting[FLOWS_MAX];
      for (unsigned f = 0; f < flow_count; f++) waiting[f] = (struct pollfd){flows[f].fd, POLLIN, 0};
      double wait_s = rate > 0 ? ((double)sent + 1) / rate - (double)(now_ns() - start) / 1e9 : 0.001; /* until the next is due */
      if (wait_s > 0.001) wait_s = 0.001;
      if (wait_s > 0) ppoll(waiting, flow_count, &(struct timespec){0, (long)(wait_s * 1e9)}, NULL);
    }
  }
  double took = (double)(now_ns() - start) / 1e9;
  printf("{\"sent\": %llu, \"received\": %llu, \"lost\": %llu, \"qps\": %.0f, \"octets\": %llu, \"p50_us\": %.1f, \"p99_us\": %.1f, \"p999_us\": %.1f, \"rcodes\": {",
         (unsigned long long)sent, (unsigned long long)got, (unsigned long long)lost, (double)got / took, (unsigned long long)octets,
         percentile(got, 0.5), percentile(got, 0.99), percentile(got, 0.999));
  const char *comma = "";
  for (unsigned r = 0; r < 16; r++)
    if (rcodes[r]) { printf("%s\"%u\": %llu", comma, r, (unsigned long long)rcodes[r]); comma = ", "; }
  printf("}}\n");
  return 0;
}
