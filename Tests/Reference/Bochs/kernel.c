// A kernel for one program in Bochs: it reads a static executable of Linux from the first SECTORS of the first disk,
// starts it with WORDS, and answers the few calls of the system that such a program makes. boot.S has enabled what the
// processor has; nobody is protected from anyone. What the program prints goes to Bochs's port 0xE9, and its end to
// port 0x8900.
#include <asm/prctl.h>
#include <asm/unistd.h>
#include <elf.h>
#include <errno.h>
#include <stddef.h>
#include <stdint.h>

// Where what is: the program from 4 MiB on, where it is linked for, then its heap; its stack, down from 256 MiB; its
// file; and its maps, to the end of memory.
#define HEAP_END 0xF000000ul
#define STACK_END 0x10000000ul
#define FILE_BEGIN 0x10000000ul
#define MAPS_BEGIN 0x12000000ul
#define MEMORY_END 0x20000000ul
#define PAGE 4096ul

extern const uint8_t exceptions[32][16];
_Noreturn void enter(uint64_t address, uint64_t *stack);

// For the compiler, too.
void *memset(void *to, int byte, size_t count) {
  void *at = to;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(count) : "a"(byte) : "memory");
  return to;
}

void *memcpy(void *to, const void *from, size_t count) {
  void *at = to;
  __asm__ volatile("rep movsb" : "+D"(at), "+S"(from), "+c"(count) : : "memory");
  return to;
}

static void out(uint16_t port, uint8_t byte) { __asm__ volatile("outb %0, %1" : : "a"(byte), "Nd"(port)); }

static uint8_t in(uint16_t port) {
  uint8_t byte;
  __asm__ volatile("inb %1, %0" : "=a"(byte) : "Nd"(port));
  return byte;
}

static void print(const char *text) {
  for (; *text; text++) out(0xE9, (uint8_t)*text);
}

static void print_hex(uint64_t number, int digits) {
  while (digits-- > 0) out(0xE9, (uint8_t) "0123456789ABCDEF"[number >> 4 * digits & 15]);
}

static _Noreturn void shut_down(void) {
  for (const char *word = "Shutdown"; *word; word++) out(0x8900, (uint8_t)*word);
  for (;;) __asm__ volatile("hlt");
}

// What an exception leaves on the stack, from its number on.
typedef struct {
  uint64_t number, error, address, segment, flags, stack;
} frame;

_Noreturn void exception(const frame *at) {
  print("exception "), print_hex(at->number, 2);
  print(", error "), print_hex(at->error, 8);
  print(", at "), print_hex(at->address, 16), print(":");
  for (int i = 0; i < 16; i++) print(" "), print_hex(((const uint8_t *)at->address)[i], 2);
  print("\n");
  shut_down();
}

// Gates of interrupts to `exceptions`, in 64-bit mode (Intel SDM volume 3, chapter 6.14).
static void take_exceptions(void) {
  static uint64_t gates[32][2];
  for (int i = 0; i < 32; i++) {
    const uint64_t address = (uint64_t)exceptions[i];
    gates[i][0] = (address & 0xFFFF) | 24ul << 16 | 0x8E00ul << 32 | (address >> 16 & 0xFFFF) << 48;
  }
  struct __attribute__((packed)) {
    uint16_t limit;
    void *gates;
  } place = {sizeof gates - 1, gates};
  __asm__ volatile("lidt %0" : : "m"(place));
}

static uint64_t heap_begin, heap_end, maps_end;

static long change_heap(uint64_t end) {
  if (end < heap_begin || end > HEAP_END) return (long)heap_end;
  if (end > heap_end) memset((void *)heap_end, 0, end - heap_end);
  heap_end = end;
  return (long)end;
}

// Memory of nobody before; it is not taken back.
static long map(uint64_t bytes, int file) {
  if (file != -1) return -EBADF;
  if (bytes > MEMORY_END - maps_end) return -ENOMEM;
  const uint64_t at = maps_end;
  maps_end = (at + bytes + PAGE - 1) / PAGE * PAGE;
  return (long)at;
}

static long write(const char *bytes, size_t count) {
  for (size_t i = 0; i < count; i++) out(0xE9, (uint8_t)bytes[i]);
  return (long)count;
}

// Tiles are lent to who asks, as by Linux; but who does not ask has them, too.
static long change_process(int code, uint64_t value) {
  if (code == ARCH_SET_FS) {
    __asm__ volatile("wrmsr" : : "c"(0xC0000100), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)));
    return 0;
  }
  return code == ARCH_REQ_XCOMP_PERM && value == 18 ? 0 : -EINVAL;
}

// Linux's calls, by its numbers.
long system_call(long call, uint64_t a, uint64_t b, uint64_t c, uint64_t d, uint64_t e) {
  (void)d;
  switch (call) {
    case __NR_write: return a == 1 || a == 2 ? write((const char *)b, c) : -EBADF;
    case __NR_brk: return change_heap(a);
    case __NR_mmap: return map(b, (int)e);
    case __NR_munmap:
    case __NR_mprotect: return 0;
    case __NR_arch_prctl: return change_process((int)a, b);
    case __NR_set_tid_address:
    case __NR_gettid:
    case __NR_getpid: return 1;
    case __NR_tgkill: print("the program ends itself\n"), shut_down();
    case __NR_exit:
    case __NR_exit_group: shut_down();
    default: return -ENOSYS;
  }
}

// The disk's first sectors, one at a time, by the ports of the first ATA channel (ATA-1, READ SECTORS).
static const uint8_t *read_program(void) {
  void *to = (void *)FILE_BEGIN;
  for (uint32_t sector = 0; sector < SECTORS; sector++) {
    out(0x1F2, 1);
    out(0x1F3, (uint8_t)sector), out(0x1F4, (uint8_t)(sector >> 8)), out(0x1F5, (uint8_t)(sector >> 16));
    out(0x1F6, 0xE0), out(0x1F7, 0x20);
    uint8_t status;
    do status = in(0x1F7);
    while (status & 0x80);
    if ((status & 9) != 8) print("the disk cannot be read\n"), shut_down();
    uint64_t words = 256;
    __asm__ volatile("rep insw" : "+D"(to), "+c"(words) : "d"(0x1F0) : "memory");
  }
  return (const uint8_t *)FILE_BEGIN;
}

_Noreturn void kernel_main(void) {
  static const char *const words[] = {"program", WORDS};
  static const uint8_t random[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  take_exceptions();
  const uint8_t *const program = read_program();
  const Elf64_Ehdr *const header = (const void *)program;
  const Elf64_Phdr *const parts = (const void *)(program + header->e_phoff);
  uint64_t tables = 0;
  for (int i = 0; i < header->e_phnum; i++) {
    const Elf64_Phdr *const part = &parts[i];
    if (part->p_type != PT_LOAD) continue;
    memcpy((void *)part->p_vaddr, program + part->p_offset, part->p_filesz);
    memset((void *)(part->p_vaddr + part->p_filesz), 0, part->p_memsz - part->p_filesz);
    if (part->p_offset == 0) tables = part->p_vaddr + header->e_phoff;
    heap_begin = (part->p_vaddr + part->p_memsz + PAGE - 1) / PAGE * PAGE;
  }
  heap_end = heap_begin, maps_end = MAPS_BEGIN;

  // What a program finds on its stack: words, environment, and what the kernel tells it.
  const uint64_t count = sizeof words / sizeof *words;
  const uint64_t told[] = {AT_PHDR,   tables, AT_PHNUM,  header->e_phnum,  AT_PHENT, sizeof *parts,
                           AT_PAGESZ, PAGE,   AT_RANDOM, (uint64_t)random, AT_NULL,  0};
  uint64_t *const stack = (uint64_t *)(STACK_END - PAGE);
  stack[0] = count;
  memcpy(stack + 1, words, sizeof words);
  stack[count + 1] = stack[count + 2] = 0;
  memcpy(stack + count + 3, told, sizeof told);
  enter(header->e_entry, stack);
}
