; Input and output on CP/M 2.2. Every call may change every register.

BDOS:   equ 5

; ---- start: the machine must be a Z80 with enough memory; own stack

start_system:
        ld hl,(BDOS+1)          ; where the system begins; the command processor's 2 KB before it stay
        ld de,WORK_END+2054
        or a
        sbc hl,de
        ret nc
        ld de,start_system.short
        call start_system.print
        rst 0
start_system.print:
        ld c,9
        jp BDOS
start_system.short:
        defm "FABLE needs more memory: a CP/M system of 56 KB or more.$"

put:    push hl                 ; the character in A
        push de
        push bc
        ld e,a
        ld c,2
        call BDOS
        pop bc
        pop de
        pop hl
        ret

newline:
        ld a,13
        call put
        ld a,10
        jr put

; ---- a line that CP/M lets a person edit -> `line`, ended by 0

read_line:
        ld hl,line-2
        ld (hl),LINE
        ex de,hl
        ld c,10
        call BDOS
        ld hl,line-1
        ld a,(hl)
        inc hl
        call add_a
        ld (hl),0
        ld a,10                 ; the system's cursor stands at the start of the same line
        call put
        ld a,13
        jp put

; ---- what stands behind the program's name -> `line`; no carry if there is something

command_tail:
        ld hl,128
        ld a,(hl)
        cp LINE+1
        jr c,command_tail.fits
        ld a,LINE
command_tail.fits:
        ld c,a
        ld b,0
        inc hl
        ld de,line
        or a
        scf
        ret z
        ldir
        xor a
        ld (de),a
        call normalize
        ld a,(text)
        cp 1
        ret
