/* A V4L2 camera for a process that preloads this: tests of the camera source where no camera is at hand.

   $CAMERA is its device (/dev/video9), $CAMERA_PICTURES how many pictures it gives before its cable is pulled (0: never).
   It offers YUYV, 64x48 unless asked for another size, at 50 pictures a second; the left half of a picture is red, the
   right half blue. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/videodev2.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define MOST 8
/* Bytes between buffers: whole pages for the largest picture, whatever the present size. */
#define ROOM (640 * 480 * 2)
static int camera = -1, width = 64, height = 48, queue[64], first, last, given;
static unsigned char *memory[MOST];
static size_t length_of[MOST];

static size_t bytes(void) { return (size_t)width * height * 2; }

static int opened(const char *path) {
    const char *mine = getenv("CAMERA");
    if (!path || !mine || strcmp(path, mine) != 0) return 0;
    int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, "open");
    camera = real("/dev/zero", O_RDWR);
    return 1;
}

#define OPEN(name)                                                                                                    \
    int name(const char *path, int flags, ...) {                                                                      \
        va_list more;                                                                                                 \
        va_start(more, flags);                                                                                        \
        int mode = va_arg(more, int);                                                                                 \
        va_end(more);                                                                                                 \
        if (opened(path)) return camera;                                                                              \
        int (*real)(const char *, int, ...) = (int (*)(const char *, int, ...))dlsym(RTLD_NEXT, #name);               \
        return real(path, flags, mode);                                                                               \
    }
OPEN(open)
OPEN(open64)
#define OPEN2(name)                                                                                                   \
    int name(const char *path, int flags) {                                                                           \
        if (opened(path)) return camera;                                                                              \
        int (*real)(const char *, int) = (int (*)(const char *, int))dlsym(RTLD_NEXT, #name);                         \
        return real(path, flags);                                                                                     \
    }
OPEN2(__open_2)
OPEN2(__open64_2)

#define MMAP(name)                                                                                                    \
    void *name(void *at, size_t length, int protection, int flags, int fd, off_t offset) {                            \
        void *(*real)(void *, size_t, int, int, int, off_t) =                                                         \
            (void *(*)(void *, size_t, int, int, int, off_t))dlsym(RTLD_NEXT, #name);                                 \
        /* Who watches only reads; the pictures are drawn here. */                                                    \
        if (fd >= 0 && fd == camera) protection |= PROT_WRITE;                                                        \
        void *got = real(at, length, protection, flags, fd, fd >= 0 && fd == camera ? 0 : offset);                    \
        if (fd >= 0 && fd == camera && got != MAP_FAILED && (size_t)offset / ROOM < MOST)                           \
            memory[(size_t)offset / ROOM] = got, length_of[(size_t)offset / ROOM] = length;                         \
        return got;                                                                                                   \
    }
MMAP(mmap)
MMAP(mmap64)

static void draw(unsigned char *to, size_t room) {
    if (room < bytes()) return;
    /* BT.601: red is Y 81 U 90 V 240, blue Y 41 U 240 V 110. */
    for (int y = 0; y < height; y++)
        for (int x = 0; x < width; x += 2, to += 4) {
            int red = x < width / 2;
            to[0] = to[2] = red ? 81 : 41;
            to[1] = red ? 90 : 240;
            to[3] = red ? 240 : 110;
        }
}

static void format(struct v4l2_pix_format *f) {
    memset(f, 0, sizeof *f);
    f->width = width;
    f->height = height;
    f->pixelformat = V4L2_PIX_FMT_YUYV;
    f->bytesperline = width * 2;
    f->sizeimage = bytes();
    f->field = V4L2_FIELD_NONE;
}

static int refuse(int why) {
    errno = why;
    return -1;
}

static int answer(unsigned long request, void *about) {
    int pictures = getenv("CAMERA_PICTURES") ? atoi(getenv("CAMERA_PICTURES")) : 0;
    int gone = pictures && given >= pictures;
    if (gone && request != VIDIOC_STREAMOFF) return refuse(ENODEV);
    switch (request) {
    case VIDIOC_QUERYCAP: {
        struct v4l2_capability *c = about;
        memset(c, 0, sizeof *c);
        strcpy((char *)c->driver, "test");
        strcpy((char *)c->card, "A camera of a test");
        c->capabilities = c->device_caps = V4L2_CAP_VIDEO_CAPTURE | V4L2_CAP_STREAMING;
        return 0;
    }
    case VIDIOC_G_INPUT: *(int *)about = 0; return 0;
    case VIDIOC_S_INPUT: return 0;
    case VIDIOC_ENUMINPUT: {
        struct v4l2_input *i = about;
        if (i->index != 0) return refuse(EINVAL);
        strcpy((char *)i->name, "lens");
        i->type = V4L2_INPUT_TYPE_CAMERA;
        return 0;
    }
    case VIDIOC_G_FMT: format(&((struct v4l2_format *)about)->fmt.pix); return 0;
    case VIDIOC_TRY_FMT:
    case VIDIOC_S_FMT: {
        struct v4l2_pix_format *f = &((struct v4l2_format *)about)->fmt.pix;
        if (f->width >= 16 && f->width <= 640 && f->height >= 16 && f->height <= 480) width = f->width & ~1, height = f->height;
        format(f);
        return 0;
    }
    case VIDIOC_G_PARM:
    case VIDIOC_S_PARM: {
        struct v4l2_streamparm *p = about;
        p->parm.capture.capability = V4L2_CAP_TIMEPERFRAME;
        p->parm.capture.timeperframe.numerator = 1;
        p->parm.capture.timeperframe.denominator = 50;
        return 0;
    }
    case VIDIOC_REQBUFS: {
        struct v4l2_requestbuffers *r = about;
        if (r->memory != V4L2_MEMORY_MMAP) return refuse(EINVAL);
        if (r->count > MOST) r->count = MOST;
        first = last = 0;
        return 0;
    }
    case VIDIOC_QUERYBUF: {
        struct v4l2_buffer *b = about;
        b->length = bytes();
        b->m.offset = b->index * ROOM;
        return 0;
    }
    case VIDIOC_QBUF: queue[last++ % 64] = ((struct v4l2_buffer *)about)->index; return 0;
    case VIDIOC_DQBUF: {
        struct v4l2_buffer *b = about;
        if (first == last || !memory[queue[first % 64]]) return refuse(EAGAIN);
        struct timespec pause = {0, 20 * 1000 * 1000};
        nanosleep(&pause, 0);
        b->index = queue[first++ % 64];
        b->bytesused = b->length = bytes();
        b->sequence = given++;
        gettimeofday(&b->timestamp, 0);
        draw(memory[b->index], length_of[b->index]);
        return 0;
    }
    case VIDIOC_STREAMON:
    case VIDIOC_STREAMOFF: return 0;
    default: return refuse(ENOTTY);
    }
}

int ioctl(int fd, unsigned long request, ...) {
    va_list more;
    va_start(more, request);
    void *about = va_arg(more, void *);
    va_end(more);
    if (fd >= 0 && fd == camera) return answer(request & 0xffffffffUL, about);
    int (*real)(int, unsigned long, ...) = (int (*)(int, unsigned long, ...))dlsym(RTLD_NEXT, "ioctl");
    return real(fd, request, about);
}
