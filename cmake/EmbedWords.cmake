# Writes the 32-bit words of INPUT, little endian, as C initialisers to OUTPUT.

file(READ ${INPUT} bytes HEX)
string(REGEX REPLACE "(..)(..)(..)(..)" "0x\\4\\3\\2\\1," words "${bytes}")
string(REGEX REPLACE "((0x........,)(0x........,)(0x........,)(0x........,)(0x........,)(0x........,)(0x........,)(0x........,))"
       "\\1\n" words "${words}")
file(WRITE ${OUTPUT} "${words}\n")
