; The network of fable6c/z80lib/model.py. Numbers and names are those of its first lines.
;
; A row of 48 trits is 10 bytes of five, the first trit the least: byte = t0 + 3 t1 + 9 t2 + 27 t3 + 81 t4, each t a weight + 1.
; (The last byte holds three and two zeros.) A row of `mix` and `output` is 16 bytes of three trits, so that a byte picks
; one of 27 sums that are made once for all rows.

; ---- make the table that takes five trits apart: page TRITS + k holds trit k of each byte

make_trits:
        ld hl,digits
        ld b,6
make_trits.clear:
        ld (hl),0
        inc hl
        djnz make_trits.clear
        ld c,0                  ; the byte
make_trits.byte:
        ld h,TRITS/256
        ld l,c
        ld de,digits
        ld b,5
make_trits.store:
        ld a,(de)
        ld (hl),a
        inc de
        inc h
        djnz make_trits.store
        ld hl,digits            ; count on in base 3
make_trits.carry:
        inc (hl)
        ld a,(hl)
        cp 3
        jr c,make_trits.next
        ld (hl),0
        inc hl
        jr make_trits.carry     ; the last time it ends in a sixth digit, which nobody reads
make_trits.next:
        inc c
        ld a,c
        cp 243
        jr nz,make_trits.byte
        ret

ADD_TRIT: macro
        ld a,(de)
        add a,(hl)
        if CHECK
        call c,overflow
        endif
        ld (de),a
        inc e
        endm

; ---- add row HL to the 50 bytes at DE (within a page), each trit as 0, 1 or 2.  1,963 T

add_row:
        ld b,h
        ld c,l
add_row.five:
        ld a,(bc)
        inc bc
        ld l,a
        ld h,TRITS/256
        ADD_TRIT
        inc h
        ADD_TRIT
        inc h
        ADD_TRIT
        inc h
        ADD_TRIT
        inc h
        ADD_TRIT
        ld a,e
        sub 50                  ; question and near lie at offsets 0 and 64 of their page
        and 63
        jr nz,add_row.five
        ret

; ---- zero 50 bytes at HL

clear_sum:
        ld b,50
clear_sum.byte:
        ld (hl),0
        inc l
        djnz clear_sum.byte
        ret

; ---- question: its 48 sums of `row_count` rows become gate * sum - 32, so that 8 * (context sum as 0 … 8) can be added.
; The sum of trits as 0, 1, 2 is the sum of the weights + row_count.

finish_question:
        ld hl,(gates)
        ld a,h
        or l
        jr z,finish_question.plain
        ld a,(secret)
        call ten_times
        ld de,(gates)
        add hl,de
        push hl
        ld hl,near
        call clear_sum
        pop hl
        ld de,near
        call add_row
        jr finish_question.apply
finish_question.plain:
        ld hl,near              ; all gates 1
        ld b,48
finish_question.one:
        ld (hl),2
        inc l
        djnz finish_question.one
finish_question.apply:
        ld hl,question
        ld de,near
        ld b,48
finish_question.unit:
        ld a,(row_count)
        ld c,a
        ld a,(hl)
        sub c
        ld c,a                  ; the sum of the weights
        ld a,(de)
        cp 1
        jr c,finish_question.minus
        jr z,finish_question.zero
        ld a,c
        jr finish_question.keep
finish_question.minus:
        xor a
        sub c
        jr finish_question.keep
finish_question.zero:
        xor a
finish_question.keep:
        sub 32
        if CHECK
        call pe,overflow
        endif
        ld (hl),a
        inc l
        inc e
        djnz finish_question.unit
        ret

; ---- HL = 10 * A

ten_times:
        ld l,a
        ld h,0
ten_times_hl:
        add hl,hl
        ld d,h
        ld e,l
        add hl,hl
        add hl,hl
        add hl,de
        ret

; ---- one context row, chosen by the hash HL, onto `near`

add_context:
        ld bc,(context_mask)
        ld a,h
        xor l
        and c
        ld l,a
        ld a,h
        and b
        ld h,a
        call ten_times_hl
        ld de,(context_rows)
        add hl,de
        ld de,near
        jp add_row

; ---- logits of the character after the reply so far: `logits`, and in A the first of the largest

forward:
        ld hl,near
        call clear_sum
        ld hl,HASH_AT_31
        ld a,(reply_length)
        call add_a
        call add_context
        ld hl,HASH_LAST_31
        ld a,(last_character)
        call add_a
        call add_context
        ld hl,(last_two)
        ld de,HASH_TWO_961
        add hl,de
        call add_context
        ld hl,(reply_hash)
        call add_context

        ld hl,question          ; x = clamp((q + 8c) >> 1)
        ld de,near
        exx
        ld hl,active
        exx
        ld b,48
forward.unit:
        ld a,(de)
        add a,a
        add a,a
        add a,a
        add a,(hl)
        if CHECK
        call pe,overflow
        endif
        jp p,forward.above
        xor a
forward.above:
        rra                     ; the carry is no sign here: A is 0 … 127
        and 127
        cp TOP+1
        jr c,forward.store
        ld a,TOP
forward.store:
        exx
        ld (hl),a
        inc l
        exx
        inc l
        inc e
        djnz forward.unit

        ld hl,active
        call make_sums
        ld de,(mix)
        exx
        ld hl,active
        exx
forward.mixed: call dot                ; HL = mix x + 960
        srl h
        rr l
        srl h
        rr l
        srl h
        rr l                    ; L = (mix x >> 3) + 120
        if CHECK
        inc h
        dec h
        call nz,overflow
        endif
        ld a,l
        exx
        ld b,a
        ld a,120
        sub (hl)
        ld c,a
        ld a,b
        sub c                   ; x + (mix x >> 3)
        jr nc,forward.high
        xor a
forward.high:  cp TOP+1
        jr c,forward.keep
        ld a,TOP
forward.keep:  set 6,l                 ; `hidden` lies 64 after `active`
        ld (hl),a
        res 6,l
        inc l
        ld a,l
        exx
        cp ACTIVE_END
        jr nz,forward.mixed

        ld hl,hidden
        call make_sums
        ld de,(output)
        ld hl,logits
        ld (place),hl
        ld hl,0
        ld (largest),hl
        ld a,(characters)
        ld (left),a
        ld (best),a
forward.logit:
        call dot
        ld b,h
        ld c,l
        ld hl,(place)
        ld (hl),c
        inc hl
        ld (hl),b
        inc hl
        ld (place),hl
        ld hl,(largest)
        or a
        sbc hl,bc
        jr nc,forward.less      ; not above the largest so far
        ld (largest),bc
        ld a,(left)
        ld (best),a
forward.less:
        ld hl,left
        dec (hl)
        jr nz,forward.logit
        ld a,(best)             ; counted down: the first has the highest number
        ld c,a
        ld a,(characters)
        sub c
        ret

; ---- HL += A

add_a:  add a,l
        ld l,a
        ret nc
        inc h
        ret

; ---- three of the 27 sums: the first trit is -1, 0, 1

THREE_SUMS: macro
        ld (de),a
        inc e
        add a,b
        ld (de),a
        inc e
        add a,b
        ld (de),a
        endm

; ---- SUMS: for each three of the 48 activations at HL, x0 x1 x2, the 27 values 60 + (t0-1) x0 + (t1-1) x1 + (t2-1) x2, at 32 bytes each.
; They are written in a row, each from the one before: the next t0 adds x0, the next t1 x1 - 2 x0, the next t2 x2 - 2 x1 - 2 x0.

make_sums:
        ld de,SUMS
make_sums.group:
        push hl
        ld b,(hl)
        inc l
        ld c,(hl)
        inc l
        ld a,(hl)
        ld h,a                  ; x2
        ld a,60
        sub b
        sub c
        sub h                   ; the first value: all three subtracted
        ld l,a
        ld a,h
        sub c
        sub c
        sub b
        sub b
        ld h,a
        ld a,c
        sub b
        sub b
        ld c,a
        ld a,l
        THREE_SUMS
        inc e
        add a,c
        THREE_SUMS
        inc e
        add a,c
        THREE_SUMS
        inc e
        add a,h
        THREE_SUMS
        inc e
        add a,c
        THREE_SUMS
        inc e
        add a,c
        THREE_SUMS
        inc e
        add a,h
        THREE_SUMS
        inc e
        add a,c
        THREE_SUMS
        inc e
        add a,c
        THREE_SUMS
        if CHECK
        cp 121
        call nc,overflow        ; the last value: all three added
        endif
        ld a,e
        add a,6
        ld e,a
        jr nc,make_sums.same
        inc d
make_sums.same:
        pop hl
        inc l
        inc l
        inc l
        ld a,l
        and 63
        cp 48
        jr nz,make_sums.group
        ret

; ---- two bytes of weights: their sums in SUMS are added to IX. Written out eight times: a loop would need B, which is 0 here

SIX_WEIGHTS: macro
        ld a,(de)
        inc de
        ld l,a
        ld c,(hl)
        ld a,(de)
        inc de
        ld l,a
        ld a,(hl)
        add a,c
        if CHECK
        call c,overflow
        endif
        ld c,a
        add ix,bc
        endm

; ---- HL = 960 + the product of the 16 bytes at DE with the activations of SUMS; DE moves on.  635 T
; A byte of group g is its three trits + 32 * (g modulo 8). Two sums of at most 120 fit into a byte.

dot:    ld ix,0
        ld b,0
        ld h,SUMS/256
        SIX_WEIGHTS
        SIX_WEIGHTS
        SIX_WEIGHTS
        SIX_WEIGHTS
        inc h
        SIX_WEIGHTS
        SIX_WEIGHTS
        SIX_WEIGHTS
        SIX_WEIGHTS
        push ix
        pop hl
        ret

; ---- the next 16 random bits in HL (xorshift 7, 9, 8)

random_bits:
        ld hl,(seed)
        ld a,h                  ; HL ^= HL << 7
        rra
        ld a,l
        rra
        xor h
        ld h,a
        ld a,l
        rra
        ld a,0
        rra
        xor l
        ld l,a
        ld a,h                  ; HL ^= HL >> 9
        srl a
        xor l
        ld l,a
        xor h                   ; HL ^= HL << 8
        ld h,a
        ld (seed),hl
        ret

; ---- a character drawn by its odds at the temperature of `heat`: in A. `forward` was before it.

sample:
        ld hl,multipliers
        ld a,(heat)
        call add_a
        ld a,(hl)
        ld (multiplier),a
        ld hl,0
        ld (total),hl
        ld hl,logits
        ld de,odds
        ld a,(characters)
        ld b,a
sample.odds:
        push bc
        ld c,(hl)
        inc hl
        ld b,(hl)
        inc hl
        push hl
        push de
        ld hl,(largest)
        or a
        sbc hl,bc
        ld a,h
        or a
        ld a,l
        jr z,sample.near
        ld a,255                ; as far as distances are told apart
sample.near:
        ld c,a
        ld a,(multiplier)
        ld e,a
        ld d,0
        call multiply           ; HL = A * multiplier
        ld a,h                  ; >> 4: the steps, of which the table has 64
        cp 4
        jr nc,sample.none
        add hl,hl
        add hl,hl
        add hl,hl
        add hl,hl
        ld a,h
        ld hl,exponential
        call add_a
        ld a,(hl)
        jr sample.odd
sample.none:
        xor a
sample.odd:
        pop de
        ld (de),a
        inc de
        ld hl,(total)
        call add_a
        ld (total),hl
        pop hl
        pop bc
        djnz sample.odds
        call random_bits
        ld b,h                  ; HL = random * total >> 16
        ld c,l
        ld de,(total)
        ld hl,0
        ld a,16
sample.bit:
        srl b                   ; from the least bit on: the product moves down with it
        rr c
        jr nc,sample.skip
        add hl,de
sample.skip:
        rr h
        rr l
        dec a
        jr nz,sample.bit
        ex de,hl                ; DE = the target
        ld hl,0
        ld bc,odds
sample.find:
        ld a,(bc)
        inc bc
        call add_a
        push hl
        scf
        sbc hl,de               ; the first whose running sum is above it: sum - target - 1 >= 0
        pop hl
        jr c,sample.find
        ld hl,odds+1
        ld a,c
        sub l
        ret

; ---- HL = C * DE (8 times 8 bits)

multiply:
        ld hl,0
        ld b,8
multiply.bit:
        add hl,hl
        sla c
        jr nc,multiply.skip
        add hl,de
multiply.skip:
        djnz multiply.bit
        ret
