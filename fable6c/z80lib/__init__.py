"""A language model for a Z80: ternary weights, 16-bit integers, a program of at most 40 KB (docs/z80.md).

text      what a person typed -> rows of the table; training texts
model     the network in exact integers, its file, replies
training  the same integers with straight-through gradients
things    the 20 Questions: what there is, what is true of it, how people ask
chatter   the chat: what people say, what the program answers
build     model + assembly -> FABLE.COM, FABLE.TAP
machine   an emulated CP/M computer
score     held-out accuracy, nearest neighbours
"""
