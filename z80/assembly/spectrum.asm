; Input and output on a 48K Spectrum, by its ROM. IY and the interrupts are the ROM's, and HL' is BASIC's.

start_system:
        ld a,2                  ; the upper screen
        jp 0x1601

put:    push hl
        push de
        push bc
        cp 10                   ; 13 alone begins a line here
        jr z,put.done
        push af
        ld a,255
        ld (23692),a            ; never ask "scroll?"
        pop af
        rst 16
put.done:
        pop bc
        pop de
        pop hl
        ret

newline:
        ld a,13
        jr put

; ---- keys -> `line`, ended by 0. DELETE takes the last one back.

read_line:
        ld hl,line
read_line.next:
        ld a,"_"                ; the cursor
        call put
read_line.wait:
        bit 5,(iy+1)            ; set by the ROM's interrupt for a new key
        jr z,read_line.wait
        res 5,(iy+1)
        ld a,8                  ; off the cursor
        call put
        ld a,(23560)
        cp 13
        jr z,read_line.end
        cp 12
        jr z,read_line.back
        cp 32
        jr c,read_line.next
        cp 127
        jr nc,read_line.next
        ld c,a
        ld a,l
        cp (line+LINE)\256
        jr z,read_line.next
        ld (hl),c
        inc hl
        ld a,c
        call put
        jr read_line.next
read_line.back:
        ld a,l
        cp line\256
        jr z,read_line.next
        dec hl
        ld a,32
        call put
        ld a,8
        call put
        ld a,8
        call put
        jr read_line.next
read_line.end:
        ld (hl),0
        ld a,32
        call put
        jr newline
