; A line that a person typed -> the sums of the rows that it selects: fable6c/z80lib/text.py in the Z80's language.

; ---- `line` -> `text`: lower case, no apostrophes, one space for all that is no letter or digit, none at the ends

normalize:
        ld hl,line
        ld de,text
        ld b,0                  ; 32: a space is due before the next letter
normalize.next:
        ld a,(hl)
        inc hl
        or a
        jr z,normalize.end
        cp 39
        jr z,normalize.next
        cp "A"
        jr c,normalize.digit
        cp "Z"+1
        jr nc,normalize.lower
        or 32
normalize.lower:
        cp "a"
        jr c,normalize.space
        cp "z"+1
        jr c,normalize.take
        jr normalize.space
normalize.digit:
        cp "0"
        jr c,normalize.space
        cp "9"+1
        jr c,normalize.take
normalize.space:
        ld a,e
        cp text\256
        jr z,normalize.next     ; none at the start
        ld b,32
        jr normalize.next
normalize.take:
        ld c,a
        ld a,b
        or a
        jr z,normalize.store
        ld (de),a
        inc de
        ld b,0
normalize.store:
        ld a,c
        ld (de),a
        inc de
        jr normalize.next
normalize.end:
        ld (de),a
        ret

; ---- HL = 31 HL

times_31:
        ld d,h
        ld e,l
        add hl,hl
        add hl,hl
        add hl,hl
        add hl,hl
        add hl,hl
        or a
        sbc hl,de
        ret

; ---- the row of hash HL onto `question`, unless ROWS_OF_A_LINE were

select: ld a,(row_count)
        cp ROWS_OF_A_LINE
        ret nc
        inc a
        ld (row_count),a
        ld a,(pages)            ; modulo 256 * pages
        ld c,a
        ld a,h
select.less:
        cp c
        jr c,select.done
        sub c
        jr select.less
select.done:
        ld h,a
        call ten_times_hl
        ld de,(table)
        add hl,de
        ld de,question
        jp add_row

; ---- `text` -> `question`

encode: ld hl,question
        call clear_sum
        xor a
        ld (row_count),a
        ld a,(memory)
        or a
        jr z,encode.line
        ld b,3                  ; the last reply three times, the one before twice: a row more weighs more
encode.last:
        push bc
        ld hl,(said)
        ld de,HASH_SAID
        add hl,de
        call select
        pop bc
        djnz encode.last
        ld b,2
encode.older:
        push bc
        ld hl,(said_before)
        ld de,HASH_SAID_2
        add hl,de
        call select
        pop bc
        djnz encode.older
encode.line:
        ld hl,0
        ld (last_word),hl
        ld hl,HASH_WORD
        ld (word),hl
        ld hl,HASH_PAIR
        ld (pair),hl
        ld hl,text
        ld a,(hl)
        or a
        jp z,encode.end
        ld a,32
        ld (previous),a
        xor a
        ld (started),a
encode.next:
        ld a,(hl)
        push hl
        or a
        jr nz,encode.have
        ld a,32                 ; a space ends the last word
encode.have:
        ld (character),a
        ld hl,started
        ld a,(hl)
        ld (hl),1
        or a
        jr z,encode.first
        ld hl,(two)             ; the trigram
        call times_31
        ld a,(character)
        call add_a
        call select
encode.first:
        ld a,(previous)
        ld l,a
        ld h,0
        call times_31
        ld a,(character)
        ld (previous),a
        call add_a
        ld (two),hl
        ld a,(character)
        cp 32
        jr z,encode.space
        ld hl,(word)
        call times_31
        ld a,(character)
        call add_a
        ld (word),hl
        ld hl,(pair)
        call times_31
        ld a,(character)
        call add_a
        ld (pair),hl
        jr encode.done
encode.space:
        ld hl,(word)
        ld (last_word),hl
        call select
        ld hl,(pair)
        call select
        ld hl,(last_word)
        ld de,HASH_PAIR
        add hl,de
        ld (pair),hl
        ld hl,HASH_WORD
        ld (word),hl
encode.done:
        pop hl
        ld a,(hl)
        inc hl
        or a
        jp nz,encode.next
encode.end:
        ld hl,(last_word)
        ld de,HASH_PAIR
        add hl,de
        call select
        jp finish_question

; ---- after a reply

remember:
        ld hl,(said)
        ld (said_before),hl
        ld hl,(reply_hash)
        ld (said),hl
        ret

; ---- `text` -> `reply`, each character shown as it comes

answer: call encode
        xor a
        ld (reply_length),a
        ld (last_character),a
        ld h,a
        ld l,a
        ld (last_two),hl
        ld hl,HASH_ALL
        ld (reply_hash),hl
answer.next:
        call forward
        ld c,a
        ld a,(heat)
        or a
        ld a,c
        call nz,sample
        or a
        jr z,answer.end
        ld hl,(alphabet)
        dec a
        call add_a
        ld a,(hl)
        ld (character),a
        ld hl,reply
        ld a,(reply_length)
        call add_a
        ld a,(character)
        ld (hl),a
        call show
        ld a,(last_character)
        ld l,a
        ld h,0
        call times_31
        ld a,(character)
        ld (last_character),a
        call add_a
        ld (last_two),hl
        ld hl,(reply_hash)
        call times_31
        ld a,(character)
        call add_a
        ld (reply_hash),hl
        ld hl,reply_length
        inc (hl)
        ld a,(hl)
        cp ANSWER
        jr c,answer.next
answer.end:
        ld hl,reply
        ld a,(reply_length)
        call add_a
        ld (hl),0
        ret

; ---- HL: one of the models, whose addresses become the current ones

use_model:
        ld de,model
        ld bc,MODEL_BYTES
        ldir
        ret
