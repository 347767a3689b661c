// From the processor's reset to C in 64-bit mode, with AVX-512 and AMX enabled; and the ways back into the kernel
// (kernel.c): calls of the system, and exceptions. The ROM ends at 4 GiB, where a processor begins, and is
// seen at 0xF0000, too, where it is linked for.

// The first instruction of all.
  .section .reset, "ax"
  .code16
  ljmp $0xF000, $(begin - 0xF0000)
  .org 16

  .text
  .globl begin
begin:
  cli
  cs lgdtl descriptors_place - 0xF0000
  movl %cr0, %eax
  orl $1, %eax
  movl %eax, %cr0
  ljmpl $8, $protected_mode

  .code32
protected_mode:
  movw $32, %ax
  movw %ax, %ds
  movw %ax, %es
  movw %ax, %ss
  movl $0x40620, %eax  // CR4: PAE, OSFXSR, OSXMMEXCPT, OSXSAVE
  movl %eax, %cr4
  movl $page_map, %eax
  movl %eax, %cr3
  movl $0xC0000080, %ecx  // EFER: SCE, LME
  movl $0x101, %eax
  xorl %edx, %edx
  wrmsr
  movl $0x80000033, %eax  // CR0: PG, NE, ET, MP, PE; caches on
  movl %eax, %cr0
  ljmpl $24, $long_mode

  .code64
long_mode:
  movl $kernel_stack_end, %esp
  fninit
  xorl %ecx, %ecx  // XCR0: x87, SSE, AVX, AVX-512's three, and the two of tiles (Intel SDM volume 1, chapter 13)
  movl $0x600E7, %eax
  xorl %edx, %edx
  xsetbv
  movl $0xC0000081, %ecx  // STAR: the selectors of code and stack at 24
  xorl %eax, %eax
  movl $24, %edx
  wrmsr
  movl $0xC0000082, %ecx  // LSTAR
  movl $system_called, %eax
  xorl %edx, %edx
  wrmsr
  call kernel_main

// What a program's SYSCALL leads to. It is as privileged as the kernel and goes on by a jump, for SYSRET would leave
// that. Nothing is written to its stack, whose red zone is its own.
system_called:
  movq %rsp, program_stack(%rip)
  movl $kernel_stack_end, %esp
  pushq %rcx
  pushq %r11
  pushq %rdi
  pushq %rsi
  pushq %rdx
  pushq %r10
  pushq %r8
  pushq %r9
  movq %r8, %r9  // system_call(number, the first five arguments)
  movq %r10, %r8
  movq %rdx, %rcx
  movq %rsi, %rdx
  movq %rdi, %rsi
  movq %rax, %rdi
  call system_call
  popq %r9
  popq %r8
  popq %r10
  popq %rdx
  popq %rsi
  popq %rdi
  popq %r11
  popq %rcx
  pushq %r11
  popfq
  movq program_stack(%rip), %rsp
  jmpq *%rcx

// enter(address, stack): starts the program. It does not return.
  .globl enter
enter:
  movq %rsi, %rsp
  xorl %edx, %edx  // nothing to call at exit
  xorl %ebp, %ebp
  jmpq *%rdi

// Exceptions 0 to 31, sixteen bytes each: every one leaves its number and an error code, zero where the processor has
// none.
  .p2align 4
  .globl exceptions
exceptions:
  .set number, 0
  .rept 32
  .p2align 4
  .if !(number == 8 || (number >= 10 && number <= 14) || number == 17 || number == 21 || number == 29 || number == 30)
  pushq $0
  .endif
  pushq $number
  jmp raised
  .set number, number + 1
  .endr
raised:
  movq %rsp, %rdi
  movl $kernel_stack_end, %esp
  call exception

// Segments, as flat as they go: 8 code of 32 bits, 24 code of 64 bits, 32 data. Their "accessed" is set, as in pages:
// nothing is written to ROM.
  .p2align 3
descriptors:
  .quad 0
  .quad 0x00CF9B000000FFFF
  .quad 0
  .quad 0x00AF9B000000FFFF
  .quad 0x00CF93000000FFFF
descriptors_place:
  .word . - descriptors - 1
  .long descriptors

// The first 4 GiB at their own addresses, in pages of 1 GiB.
  .p2align 12
page_map:
  .quad page_directories + 0x23
  .p2align 12
page_directories:
  .quad 0xE3, 0x400000E3, 0x800000E3, 0xC00000E3

  .bss
  .p2align 4
program_stack:
  .skip 16
  .skip 65536
kernel_stack_end:
