; FABLE.COM: a chat, and 20 Questions both ways, by a ternary network. docs/z80.md explains it from the top.
; The assembler is pyz80 (PyPI); `python -m fable6c.z80 build` makes settings.asm and models.asm and calls it.
;
; GAME      1: two models and the games; 0: one model that one talks to
; SPECTRUM  1: for the 48K Spectrum; 0: for CP/M
; CHECK     1: say OVERFLOW where a sum does not fit (tests); 0: without the checks

        include "settings.asm"
        org ORIGIN
        dump 1,0

start:
        if SPECTRUM
        di
        exx
        push hl                 ; BASIC's
        exx
        ei
        ld (old_stack),sp
        else
        sub a                   ; even parity on an 8080, no overflow on a Z80
        jp po,start.z80
        ld de,needs_z80
        ld c,9
        jp 5
start.z80:
        ld (old_stack),sp
        ld sp,STACK
        endif
        call start_system
        call make_trits
        ld hl,0                 ; nothing was said
        ld (said),hl
        ld (said_before),hl
        xor a
        ld (seeded),a
        if GAME
        ld hl,unnamed
        ld de,name
        ld bc,NAME
        ldir
        endif
        ld hl,1
        ld (seed),hl
        ld hl,first_model
        call use_model
        ld a,FIRST_HEAT
        ld (heat),a
        if SPECTRUM
        else
        call command_tail
        jr c,start.talk
        call set_seed
        call answer
        call newline
        jp leave
        endif
start.talk:
        ld hl,banner
        call print

; ---- the loop: a line, a command or a reply

next_line:
        ld hl,prompt
        call print
        call read_line
        call set_seed
        call normalize
        ld a,(line)
        cp "/"
        jr z,option
        ld a,(text)
        or a
        jr z,next_line
        ld hl,word_quit
        call is
        jp z,leave
        if GAME
        ld hl,word_help
        call is
        jr nz,next_line.play
        ld hl,help
        call print
        jr next_line
next_line.play:
        ld hl,word_play
        call is
        jp z,play
        ld hl,word_guess
        call is
        jp z,guess
        endif
        call answer
        call newline
        call remember
        jr next_line

; ---- /T n: temperature n fifths; /S n: the seed

option: ld hl,text+1
        call number             ; DE
        jr c,option.wrong
        ld a,(text)
        cp "t"
        jr z,option.heat
        cp "s"
        jr nz,option.wrong
        ld a,d
        or e
        jr z,option.wrong       ; a generator at 0 stays there
        ld (seed),de
        ld a,1
        ld (seeded),a
        jr next_line
option.heat:
        ld a,d
        or a
        jr nz,option.wrong
        ld a,e
        cp 10
        jr nc,option.wrong
        ld (heat),a
        jp next_line
option.wrong:
        ld hl,options
        call print
        jp next_line

; ---- DE = the decimal number at HL, spaces left out; carry if there is none, or anything else, or it is above 65,535

number: ld de,0
        ld b,0                  ; digits
number.next:
        ld a,(hl)
        inc hl
        cp 32
        jr z,number.next
        or a
        jr z,number.end
        sub "0"
        ret c
        cp 10
        ccf
        ret c
        inc b
        ld c,a
        push hl
        ld h,d
        ld l,e
        add hl,hl
        jr c,number.above
        add hl,hl
        jr c,number.above
        add hl,de
        jr c,number.above
        add hl,hl
        jr c,number.above
        ld d,0
        ld e,c
        add hl,de
        ex de,hl
number.above:
        pop hl
        ret c
        jr number.next
number.end:
        ld a,b
        cp 1
        ret

; ---- a seed from the clock, once and if nobody gave one: how long the first line took to type

set_seed:
        ld hl,seeded
        ld a,(hl)
        ld (hl),1
        or a
        ret nz
        if SPECTRUM
        ld hl,(23672)           ; fiftieths of a second
        else
        ld a,r                  ; the refresh counter
        ld l,a
        ld h,1
        endif
        set 7,l
        ld (seed),hl
        ret

; ---- does `text` equal the text at HL? Z if so

is:     ld de,text
is.next:
        ld a,(de)
        cp (hl)
        ret nz
        or a
        ret z
        inc hl
        inc de
        jr is.next

print:  ld a,(hl)
        or a
        ret z
        call put
        inc hl
        jr print

; ---- one character of a reply

        if GAME
show:   cp "@"
        jr z,show.name
        cp "="
        jp nz,put
        push hl                 ; the last word of the line is a name
        ld hl,text
        ld de,name
show.first:
        ld b,NAME
show.next:
        ld a,(hl)
        inc hl
        cp 32
        jr nz,show.letter
        ld de,name
        jr show.first
show.letter:
        or a
        jr z,show.end
        cp "a"
        jr c,show.store
        sub 32
show.store:
        dec b
        jr z,show.next_one      ; no room: go on to the end of the word
        ld (de),a
        inc de
        jr show.next
show.next_one:
        inc b
        jr show.next
show.end:
        ld (de),a
        pop hl
        ret
show.name:
        push hl
        ld hl,name
        call print
        pop hl
        ret
        else
show:   equ put
        endif

leave:
        ld sp,(old_stack)
        if SPECTRUM
        di
        exx
        pop hl
        exx
        ei
        endif
        ret

        if CHECK
overflow:
        push hl
        push de
        push bc
        push af
        ld hl,overflow.words
        call print
        pop af
        pop bc
        pop de
        pop hl
        ret
overflow.words:
        defm "OVERFLOW"
        defb 13,10,0
        endif

        include "line.asm"
        include "network.asm"
        if GAME
        include "games.asm"
        endif
        if SPECTRUM
        include "spectrum.asm"
        else
        include "cpm.asm"
        endif
        include "models.asm"
        if SPECTRUM
        else
needs_z80:
        defm "FABLE needs a Z80, not an 8080.$"
        endif
PROGRAM_END:

; ---- memory behind the program, whose first content does not matter

TRITS:  equ ((PROGRAM_END+255)/256)*256
SUMS:   equ TRITS+5*256
UNITS:  equ SUMS+512
question: equ UNITS             ; 50 bytes each
near:   equ UNITS+64
active: equ UNITS+128           ; 48
hidden: equ UNITS+192
ACTIVE_END: equ 128+48
logits: equ UNITS+256           ; words
odds:   equ logits+128
line:   equ odds+66             ; two bytes before it belong to CP/M
text:   equ line+LINE+2
reply:  equ text+LINE+2
digits: equ reply+ANSWER+1
said:   equ digits+6
said_before: equ said+2
seeded: equ said+4
name:   equ said+5
seed:   equ name+NAME
heat:   equ seed+2
secret: equ heat+1
model:  equ secret+1            ; MODEL_BYTES of models.asm, which build.py writes
table:  equ model
context_rows: equ model+2
gates:  equ model+4
mix:    equ model+6
output: equ model+8
alphabet: equ model+10
pages:  equ model+12
context_mask: equ model+13
characters: equ model+15
memory: equ model+16
multipliers: equ model+17
MODEL_BYTES: equ 27
row_count: equ model+MODEL_BYTES
reply_length: equ row_count+1
last_character: equ row_count+2
last_two: equ row_count+3
reply_hash: equ row_count+5
last_word: equ row_count+7
word:   equ row_count+9
pair:   equ row_count+11
two:    equ row_count+13
previous: equ row_count+15
started: equ row_count+16
character: equ row_count+17
place:  equ row_count+18
largest: equ row_count+20
left:   equ row_count+22
best:   equ row_count+23
multiplier: equ row_count+24
total:  equ row_count+25
old_stack: equ row_count+27
game:   equ row_count+29        ; the games' own
scores: equ game
was_asked: equ game+128
asked:  equ game+192
chat_heat: equ game+193
favourite: equ game+194
candidates: equ game+195
limit:  equ game+196
most:   equ game+197
trait:  equ game+198
thing:  equ game+199
question_number: equ game+200
said_yes: equ game+201
STACK:  equ game+GAME_BYTES+128
WORK_END: equ STACK
