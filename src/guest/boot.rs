//! The road from QEMU's hand-over to Rust, for the first vCPU and for all others.
//!
//! The first vCPU arrives at `pvh_entry` as the PVH boot ABI says: 32-bit protected mode, paging off,
//! `%ebx` holding the physical address of `hvm_start_info`. The others arrive at the copy of
//! `ap_trampoline` in 16-bit real mode, as a start-up IPI leaves them. Both turn on long mode over one
//! identity map of the first 4 GiB, and SSE, which the compiler may use for this target although the build asks
//! it not to.

use core::arch::global_asm;

use crate::interrupt;
use crate::smp;

/// Bytes of stack that each started vCPU gets.
const AP_STACK: usize = 4096;
/// Bytes of stack for the first vCPU, which writes the report.
const BOOT_STACK: usize = 64 * 1024;

global_asm!(
    r#"
    // Xen's public/elfnote.h: XEN_ELFNOTE_PHYS32_ENTRY is 18. QEMU reads the descriptor of a
    // 64-bit ELF as 8 bytes, and finds it by the alignment of the segment, which must be 4.
    .pushsection .note.pvh, "a", @note
    .balign 4
    .long 4
    .long 8
    .long 18
    .asciz "Xen"
    .quad pvh_entry
    .popsection

    .pushsection .text.boot, "ax", @progbits
    .code32
    .globl pvh_entry
pvh_entry:
    cli
    cld
    movl $boot_stack_end, %esp
    movl %ebx, %ebp

    // 2048 pages of 2 MiB, present and writable; the carry comes after the last one.
    movl $page_directories, %edi
    movl $0x83, %eax
1:  movl %eax, (%edi)
    movl $0, 4(%edi)
    addl $8, %edi
    addl $0x200000, %eax
    jnc 1b
    movl $page_directories + 0x0003, page_directory_pointers
    movl $page_directories + 0x1003, page_directory_pointers + 8
    movl $page_directories + 0x2003, page_directory_pointers + 16
    movl $page_directories + 0x3003, page_directory_pointers + 24
    movl $page_directory_pointers + 0x3, page_map

    lgdtl gdt_pointer
    ljmpl $0x08, $1f
1:  movl $bsp_entry64, %esi
    jmp enter_long_mode

ap_entry32:
    movl $ap_entry64, %esi

enter_long_mode:
    movl $0x10, %eax
    movl %eax, %ds
    movl %eax, %es
    movl %eax, %ss
    movl $page_map, %eax
    movl %eax, %cr3
    // PAE, OSFXSR, OSXMMEXCPT
    movl $0x620, %eax
    movl %eax, %cr4
    // EFER.LME
    movl $0xc0000080, %ecx
    rdmsr
    orl $0x100, %eax
    wrmsr
    // PG, WP, NE, ET, MP, PE; a vCPU after INIT has its caches off (CD, NW), which this ends.
    movl $0x80010033, %eax
    movl %eax, %cr0
    ljmpl $0x18, $1f
    .code64
1:  movl %esi, %esi
    jmpq *%rsi

bsp_entry64:
    movl %esp, %esp
    movl %ebp, %edi
    callq {guest_main}
    ud2

ap_entry64:
    movl $1, %edi
    lock xaddl %edi, {next_ap}
    cmpl ${max_aps}, %edi
    jae 1f
    leal 1(%edi), %eax
    imull ${ap_stack}, %eax
    leaq ap_stacks(%rax), %rsp
    callq {ap_main}
1:  cli
    hlt
    jmp 1b

    // Copied to a page below 1 MiB; knows its own place by %cs only.
    .code16
    .globl ap_trampoline
    .globl ap_trampoline_end
ap_trampoline:
    cli
    cld
    lgdtl %cs:(ap_gdt_pointer - ap_trampoline)
    movl %cr0, %eax
    orl $1, %eax
    movl %eax, %cr0
    ljmpl $0x08, $ap_entry32
ap_gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
ap_trampoline_end:
    .code64

    // One stub of 16 bytes for each exception; the mask names those that push an error code.
    .balign 16
    .globl exception_stubs
exception_stubs:
    .set vector, 0
    .rept 32
    .balign 16
    .if ((0x60227d00 >> vector) & 1) == 0
    pushq $0
    .endif
    pushq $vector
    jmp exception_common
    .set vector, vector + 1
    .endr
exception_common:
    movq %rsp, %rdi
    andq $-16, %rsp
    callq {exception}
    ud2

    // Waking from a halt is all that an interrupt is for; see `interrupt::sleep`.
    .globl interrupt_stub
interrupt_stub:
    iretq
    .popsection

    .pushsection .rodata.boot, "a", @progbits
    .balign 8
gdt:
    .quad 0
    .quad 0x00cf9b000000ffff
    .quad 0x00cf93000000ffff
    .quad 0x00af9b000000ffff
gdt_end:
gdt_pointer:
    .word gdt_end - gdt - 1
    .long gdt
    .popsection

    .pushsection .bss.boot, "aw", @nobits
    .balign 4096
page_map:
    .skip 4096
page_directory_pointers:
    .skip 4096
page_directories:
    .skip 4 * 4096
    .skip {boot_stack}
boot_stack_end:
ap_stacks:
    .skip {ap_stack} * {max_aps}
    .popsection
    "#,
    guest_main = sym crate::guest_main,
    ap_main = sym smp::ap_main,
    next_ap = sym smp::NEXT_AP,
    exception = sym interrupt::exception,
    max_aps = const smp::MAX_APS,
    ap_stack = const AP_STACK,
    boot_stack = const BOOT_STACK,
    options(att_syntax),
);

unsafe extern "C" {
    static ap_trampoline: [u8; 0];
    static ap_trampoline_end: [u8; 0];
    static exception_stubs: [u8; 0];
    static interrupt_stub: [u8; 0];
}

/// Code that a vCPU runs in real mode from the start of any page below 1 MiB.
pub fn trampoline() -> &'static [u8] {
    let start = &raw const ap_trampoline;
    let end = &raw const ap_trampoline_end;
    let length = end as usize - start as usize;
    // SAFETY: both labels stand in the text segment of this image, in this order.
    unsafe { core::slice::from_raw_parts(start.cast(), length) }
}

/// Address of the handler for exception `vector`, 0 to 31.
pub fn exception_stub(vector: usize) -> usize {
    &raw const exception_stubs as usize + vector * 16
}

/// Address of the handler for every interrupt.
pub fn interrupt_handler() -> usize {
    &raw const interrupt_stub as usize
}
