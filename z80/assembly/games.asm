; 20 Questions, both ways. fable6c/z80lib/games.py is the same in Python.

; ---- PLAY: the program thinks of a thing, the person asks

play:   ld hl,second_model
        call use_model
        ld a,(heat)
        ld (chat_heat),a
        xor a
        ld (heat),a
        ld (asked),a
        call random_bits        ; secret = (random / 256) * THINGS / 256
        ld c,h
        ld de,THINGS
        call multiply
        ld a,h
        ld (secret),a
        ld hl,play_start
        call print
play.next:
        ld a,(asked)
        inc a
        call print_number
        ld hl,prompt
        call print
        call read_line
        call normalize
        ld a,(text)
        or a
        jr z,play.next
        ld hl,word_quit
        call is
        jp z,leave
        ld hl,word_stop
        call is
        jr z,play.reveal
        call answer
        call newline
        ld a,(reply)
        cp "?"
        jr nz,play.counts
        ld hl,no_question
        call print
        jr play.next
play.counts:
        ld hl,asked
        inc (hl)
        cp "W"
        jr z,play.won
        ld a,(hl)
        cp QUESTIONS_OF_A_GAME
        jr c,play.next
play.reveal:
        ld hl,it_was
        call print
        ld a,(secret)
        call print_thing
        call newline
        jr play.end
play.won:
        ld hl,you_won
        call print
        call print_count
play.end:
        ld a,(chat_heat)
        ld (heat),a
        ld hl,first_model
        call use_model
        jp next_line

; ---- GUESS: the person thinks of a thing, the program asks

guess:  ld hl,guess_start
        call print
        ld hl,scores
        ld de,scores+1
        ld (hl),0
        ld bc,128+TRAITS-1      ; the scores, and which questions were asked
        ldir
        xor a
        ld (asked),a
guess.next:
        call find_candidates
        cp 255
        jp z,guess.lost         ; nothing is left
        ld a,(asked)
        cp QUESTIONS_OF_A_GAME
        jp z,guess.lost
        cp QUESTIONS_OF_A_GAME-1
        jr z,guess.name_it
        ld a,(candidates)
        cp 1
        jr z,guess.name_it
        call choose_question
        or a
        jr z,guess.name_it      ; none divides the candidates
        ld hl,was_asked
        ld a,(question_number)
        call add_a
        ld (hl),1
        call number_line
        ld hl,questions
        ld a,(question_number)
        call print_text
        call read_answer
        call judge
        jr guess.next
guess.name_it:
        call number_line
        ld hl,is_it
        call print
        ld a,(favourite)
        call print_thing
        ld a,"?"
        call put
        call read_answer
        ld a,(said_yes)
        cp 1
        jr z,guess.right
        ld a,(favourite)
        ld hl,scores
        call add_a
        ld (hl),255
        jp guess.next
guess.right:
        ld hl,i_won
        call print
        call print_count
        jp next_line
guess.lost:
        ld hl,i_lost
        call print
        jp next_line

; ---- A = the lowest score; `favourite` the first thing that has it, `candidates` how many have it or one more, `limit` that

find_candidates:
        ld hl,scores
        ld bc,THINGS*256+255    ; C = the lowest so far
        ld e,0
find_candidates.low:
        ld a,(hl)
        cp c
        jr nc,find_candidates.more
        ld c,a
        ld a,e
        ld (favourite),a
find_candidates.more:
        inc hl
        inc e
        djnz find_candidates.low
        ld a,c
        cp 255
        ret z
        inc a
        ld (limit),a
        ld hl,scores
        ld b,THINGS
        ld d,0
find_candidates.count:
        ld a,(limit)
        cp (hl)
        jr c,find_candidates.above
        inc d
find_candidates.above:
        inc hl
        djnz find_candidates.count
        ld a,d
        ld (candidates),a
        ld a,c
        ret

; ---- A = how many candidates the best question leaves at least out, whatever the answer; `question_number`: the first such

choose_question:
        xor a
        ld (most),a
        ld (trait),a
choose_question.trait:
        ld a,(trait)
        ld hl,was_asked
        call add_a
        ld a,(hl)
        or a
        jr nz,choose_question.next
        call divide
        ld hl,most
        ld a,d                  ; the fewer of YES and NO
        cp e
        jr c,choose_question.fewer
        ld a,e
choose_question.fewer:
        cp (hl)
        jr z,choose_question.next
        jr c,choose_question.next
        ld (hl),a
        ld a,(trait)
        ld (question_number),a
choose_question.next:
        ld hl,trait
        inc (hl)
        ld a,(hl)
        cp TRAITS
        jr nz,choose_question.trait
        ld a,(most)
        ret

; ---- D, E = the candidates for which `trait` is YES, NO

divide: ld de,0
        xor a
        ld (thing),a
        ld hl,scores
divide.thing:
        ld a,(limit)
        cp (hl)
        jr c,divide.next
        push hl
        push de
        ld a,(trait)
        ld c,a
        call known
        pop de
        pop hl
        or a
        jr z,divide.no
        dec a
        jr nz,divide.next
        inc d
        jr divide.next
divide.no:
        inc e
divide.next:
        inc hl
        ld a,(thing)
        inc a
        ld (thing),a
        cp THINGS
        jr nz,divide.thing
        ret

; ---- A = what is known of trait C and the thing in `thing`: 0 NO, 1 YES, 2 MAYBE. A trait is a row of two bits for each thing.

known:  ld de,THINGS_BYTES
        call multiply
        ld de,knowledge
        add hl,de
        ld a,(thing)
        ld b,a
        srl a
        srl a
        call add_a
        ld a,b
        and 3
        ld b,a
        inc b
        ld a,(hl)
        rlca
        rlca
known.turn:
        rrca
        rrca
        djnz known.turn
        and 3
        ret

; ---- the scores after the answer `said_yes` (0 NO, 1 YES, 2 MAYBE) to `question_number`: against it 2, uncertain 1

judge:  xor a
        ld (thing),a
        ld hl,scores
judge.thing:
        ld a,(hl)
        cp 250                  ; out already, or as good as out
        jr nc,judge.next
        push hl
        ld a,(question_number)
        ld c,a
        call known
        pop hl
        ld b,a
        ld a,(said_yes)
        cp b
        jr z,judge.next
        cp 2
        jr z,judge.one
        ld a,b
        cp 2
        jr z,judge.next         ; MAYBE is known: YES and NO are no surprise
        inc (hl)
judge.one:
        inc (hl)
judge.next:
        inc hl
        ld a,(thing)
        inc a
        ld (thing),a
        cp THINGS
        jr nz,judge.thing
        ret

; ---- a person's YES, NO or anything else for MAYBE -> `said_yes`, and one question more

read_answer:
        ld hl,asked
        inc (hl)
read_answer.again:
        ld a,32
        call put
        call read_line
        call normalize
        ld hl,word_quit
        call is
        jp z,leave
        ld hl,word_stop
        call is
        jr z,read_answer.stop
        ld a,(text)
        or a
        jr z,read_answer.again
        ld b,1
        cp "y"
        jr z,read_answer.said
        dec b
        cp "n"
        jr z,read_answer.said
        ld b,2
read_answer.said:
        ld a,b
        ld (said_yes),a
        ret
read_answer.stop:
        pop hl                  ; not back into the game
        jp next_line

; ---- showing

number_line:
        ld a,(asked)
        inc a
        call print_number
        ld a,32
        jp put

print_count:
        ld a,(asked)
        call print_number
        ld hl,questions_end
        jp print

print_number:                   ; A, below 100
        ld b,"0"-1
print_number.tens:
        inc b
        sub 10
        jr nc,print_number.tens
        add a,10+"0"
        ld c,a
        ld a,b
        cp "0"
        call nz,put
        ld a,c
        jp put

print_thing:
        ld hl,names
print_text:                     ; the text of number A in a list at HL
        or a
        jp z,print
        ld b,a
print_text.skip:
        ld a,(hl)
        inc hl
        or a
        jr nz,print_text.skip
        djnz print_text.skip
        jp print
