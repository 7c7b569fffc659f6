"""How the stories are told: the grammar of `synth.py`.  All sentences were written for this project.

`= name` opens a rule, and each line below it is one alternative.  Inside a line

    {slot}       is filled once for each story: {h} is the hero's name, and {he} {him} {his} stay the hero's all along;
                 a capital anywhere in the slot capitalises what it is filled with: {He} {Spot1} {x_His}
    [a|b|]       is one of the alternatives, freshly drawn each time (the last one here is empty)
    <rule>       is one alternative of that rule, another one than the last time in this story
    <rule:f>     is the same, told about the friend: {x} {x_he} {x_his} in the rule become {f} {f_he} {f_his},
                 and <x> in a rule called as <moral:lost.lesson> becomes <lost.lesson>
    //           ends a paragraph

Persons: h hero, f friend, g grown-up (`{g}` is "her mom", `{g_call}` "Mom"), n the neighbor, a the small animal
(always "it"), o the thing (`{o_it}` it/they, `{o_them}` it/them, `{o_was}` was/were).  The articles "a" and "an" are
put right afterwards: always write "a".  No line may contain a bare he, she, him, his or her: that is what keeps every
pronoun with its person (tests/test_synth.py).
"""

GRAMMAR = r"""
# ---- small words ----
= then
[Then|Soon|After a while|A little later|Next|Before long|In a moment|A few minutes later|After that]
= sudden
[Suddenly|Just then|All at once|At that moment|Right then|Out of nowhere|All of a sudden]
= atlast
[At last|Finally|In the end|After a long time|At long last|When the sun was low]
= said
[said {x}|{x} said|said {x}|{x} said|said {x}]
[said {x}|{x} said]
[said {x} and <gesture:x>|{x} said and <gesture:x>|said {x}]
= gesture
[scratched {x_his} nose|looked up at the sky|kicked a pebble|rubbed {x_his} {x_hands}|shrugged|blinked|looked down at {x_his} {x_feet}|leaned against the wall|pulled at {x_his} sleeve|pointed at <np>|put down <np>|picked up <np>|held up <np>|played with <np>|took a step back|came a step closer|nodded|shook {x_his} head|took a deep breath|bit into {food}|wiped {x_his} nose|waved one {x_hand}|sat down on the ground|made a face|tilted {x_his} head|smiled a little|counted on {x_his} {x_hands}|tapped one {x_foot}|hopped from one {x_foot} to the other|looked around|swallowed hard|blushed|folded {x_his} arms|stood on tiptoe|hid {x_his} {x_hands}]
= stir
[jumped up|waved both {x_hands}|stamped one {x_foot}|pointed at <np>|threw up {x_his} {x_hands}|pushed <np> aside|stood up|turned around|took a big step|shook {x_his} head|nodded hard|dropped <np>|ran in a circle|clapped {x_his} {x_hands}|made a leap|hit the ground with {x_his} {x_foot}]
= exclaim
{x} [cried|called|said] and <stir:x>
[cried {x}|{x} cried|called {x}|{x} called|shouted {x}|said {x}|{x} said|{x} exclaimed]
= wail
[cried {x}|{x} cried|wailed {x}|{x} wailed|{x} shouted|said {x} in a shaky voice|{x} cried with tears in {x_his} eyes]
= asksad
[asked {x} sadly|sobbed {x}|{x} asked with tears in {x_his} eyes|cried {x}|{x} asked in a small voice]
= asksoft
[asked {x} softly|{x} asked in a small voice|whispered {x}|{x} whispered|{x} asked quietly]
= saysoft
[said {x} softly|{x} said in a small voice|whispered {x}|{x} whispered|{x} said quietly|murmured {x}|said {x} with a gentle voice]
= saysad
[said {x} sadly|{x} sobbed|sighed {x}|{x} sighed|{x} said with tears in {x_his} eyes|{x} cried|said {x} in a shaky voice|{x} groaned]
= sayglad
[cried {x}|shouted {x}|{x} shouted|{x} cheered|laughed {x}|{x} called happily|said {x} with a big smile|{x} said happily|{x} sang out]
= saykind
{x} said and <gesture:x>
[said {x} kindly|{x} said with a smile|said {x}|{x} said gently|{x} said in a warm voice]
= asks
{x} asked and <gesture:x>
[asked {x}|{x} asked|asked {x}|{x} asked]
[asked {x}|{x} asked|{x} wanted to know|asked {x}|wondered {x}|{x} asked with big eyes|asked {x} politely]
= size
[tiny|small|little|big|fat|thin|sleepy|busy|young|old|plump|cheeky|shy|clever]
= hue
[brown|gray|black|white|red|yellow|spotted|striped|dusty|shiny|golden|speckled]
= critter
[squirrel|sparrow|crow|robin|cat|mouse|pigeon|magpie|duck|blackbird|wren|dove|finch|jay|rabbit|starling]
= critterdid
[was looking for its lunch|was taking a nap|was singing to itself|hopped about|was cleaning its feet|was watching everything|hurried past|was eating something|blinked in the light|was minding its own business|looked up for a moment|was chasing its own shadow|was making a funny noise|sat quite still|turned its head|wanted to know what was going on|stretched and yawned]
= junk
[a|a|one] [broken|rusty|lost|dirty|wet|torn|tiny|bent|crooked|dusty|muddy|forgotten|strange|lonely|smelly] [bottle|shoe|spoon|button|sock|glove|tin can|rope|nail|wheel|newspaper|nut shell|twig|bone|leaf|paper bag|cork|cup|feather|string|fork|brush|pot lid|candle|comb|brick|barrel|pine cone|hat|spring|jar|pencil|nest|ticket|snail shell|horseshoe|broom]
= hugs
[{X} gave {h} a [big|warm|long|tight|soft] hug.|{X} hugged {him} [tight|close|for a long time].|{X} put an arm around {him}.|{X} patted {him} on the back.|{X} kissed {him} on the nose.]
# ---- feelings; x is the person ----
= glad
{X} [smiled|grinned|beamed] [happily|from ear to ear|with joy|all over|like the sun].
{X} [was|felt] [very happy|so glad|full of joy|as happy as a lark|happier than ever|very pleased].
{X} [jumped|hopped|danced|skipped] [up and down|for joy|in a circle|around and around][| with a loud cheer| and laughed].
{X} clapped {x_his} {x_hands}[| and laughed| and cheered|, and {x_his} eyes shone| again and again].
[A warm feeling filled|Joy filled] {x_poss} [heart|chest|whole body].
{X} [laughed|giggled] until {x_his} [belly|sides|cheeks] hurt.
{X_poss} [eyes|whole face] [shone|lit up|sparkled] [like stars|with joy|with happiness].
{X} [could not stop|did not stop] [smiling|laughing|singing|dancing].
{X} let out a [happy|long|loud] [sigh|cheer|laugh].
Nobody was [happier|gladder|more pleased] than {x}.
= sad
{X} [was|felt] [very sad|so sad|sad and alone|unhappy|terribly sad|low].
{X} [began|started] to cry.
A [big|hot|single|fat] tear [rolled|ran|slid] down {x_poss} [cheek|nose|face].
{X} hung {x_his} head[| and sighed| and said nothing| and kicked a stone].
{X} sat down [and cried|on the ground and sighed|with a heavy heart|and did not say a word].
{X_poss} [heart|chest] felt [heavy|heavy as a stone|tight|empty].
{X_poss} [lip|chin] [trembled|shook|began to tremble].
{X} sniffed and wiped {x_his} [eyes|nose|cheeks].
{X} wanted to [cry|hide|go home|be left alone].
= scared
{X} was [scared|afraid|frightened|terrified|so scared that {x_his} knees shook].
{X_poss} [heart|poor heart] [beat|thumped|pounded] [fast|like a drum|hard|very loudly].
{X_poss} [legs|knees|{x_hands}] [shook|trembled|felt weak|felt like jelly].
{X} [froze|stood quite still|held {x_his} breath|shut {x_his} eyes].
{X} [wanted to run away|wanted to hide|did not dare to move|could not move].
A cold [shiver|feeling] ran down {x_poss} back.
= proud
{X} [was|felt] [very proud|so proud|proud and happy|as proud as a king|as tall as a tree|ten feet tall].
{X} [stood up tall|held {x_his} head high|puffed out {x_his} chest|could hardly believe it].
{X_poss} [heart|chest] [swelled|felt warm|glowed] with pride.
{X} [told everyone about it|could not wait to tell everyone|wanted to do it again and again].
= angry
{X} [was|felt] [angry|cross|mad|very angry|upset].
{X} [stamped {x_his} foot|crossed {x_his} arms|turned away|made a grumpy face|frowned and said nothing].
{X_poss} [face|nose|cheeks] [turned|went|got] [red|hot].
= sorry
{X} felt [bad|very sorry|ashamed|terrible|awful][| inside| about it].
{X} [looked at the floor|could not look up|bit {x_his} lip|swallowed hard].
{X} had a [bad|funny|heavy|sick] feeling in {x_his} [belly|tummy|chest].
= idea
{X} [thought and thought|thought for a moment|scratched {x_his} head|rubbed {x_his} nose|sat down to think]. [Then|Suddenly|After a minute|All at once] {x_he} had [an idea|a good idea|a clever plan|a wonderful idea|a funny thought].
[Suddenly|Then|At that moment] {x} had [an idea|a bright idea|a clever plan|a very good idea].
An idea popped into {x_poss} head.
"[Wait|I know|I have it|Hold on|Aha]!" <sayglad:x>. "I have [an idea|a plan|a good idea]."
= thanks
"Thank you, {x}!" <sayglad:h>.
"Thank you[| so much| very much]," <said:h>. "You [are a true friend|are the best|helped me so much|are very kind]."
"[Oh, thank you|Thanks], {x}," <said:h>. "I could not have done it [alone|without you|by myself]."
{h} thanked {x} [again and again|with all {his} heart|with a big hug|three times].
# ---- openings ----
= open
[Once upon a time|Once|Long ago|One time], there was a [little|young|small|{trait}|{trait}|{trait} little|very {trait}] {kind} named {h}. <about>
[Once upon a time|Once|Long ago|Not so long ago], [in a <town>|near a <town>|at the edge of a <town>], there lived a [{trait}|{trait}|little|{trait} little] {kind} named {h}. <about>
There [once was|was once|was] a [{trait}|little|{trait} little|young] {kind} [called|named] {h}. <about>
{h} was a [{trait}|{trait}|little|{trait} and {trait2}|very {trait}] {kind}. <about>
{h} was {age} years old. {He} was a [{trait}|very {trait}|{trait} and {trait2}] {kind}. <about>
{h} lived [with {g}|with {his} family|all year round] in a [small|cozy|old|crooked|tidy|warm|noisy] {home} [near|close to|not far from|by] {place}. <about>
[Everyone|All the neighbors|The whole [village|town|valley|neighborhood|land]] knew {h}, the {trait} {kind}. <about>
[In|At the end of|In the middle of] a <town> lived a {kind} named {h}. {He} was [{trait}|{trait} and {trait2}|{trait} and sometimes {trait2}]. <about>
A {kind} named {h} lived in a {home} with a [red|blue|green|crooked|tiny|round] door. <about>
[This is the story of|This is a story about|Here is a story about|Let me tell you about] {h}, a {trait} {kind}. <about>
It was {season}. {nat1} A [{trait}|little|young|{trait} little] {kind} named {h} [was up early|was looking out of the window|could not wait to go out|had big plans]. <about>
"[Good morning, world|What a fine day|I am so bored today|Today will be a great day|I have so much to do|I can smell breakfast|Nobody is awake but me]!" said {h}. {h} was a [{trait}|little|{trait} little] {kind}. <about>
= about
{He} [loved|liked|loved|wanted] to {act1}.
{He} [loved|liked|loved] to {act1} and {act2}.
{His} favorite [thing|game] was {act1_ing}, [and|but] {he} also liked {act2_ing}.
[Most of all|More than anything|Every day after breakfast|In {season}], {he} [liked|loved] to {act1}.
[Every morning|On most days|When the weather was good|Almost every day], {he} [{act1_ed}|{act1_ed} and {act2_ed}].
{He} [loved|liked] to {act2}, and {he} [was good at it|did it every day|never got tired of it].
{He} had [a box|a drawer|a basket|a shelf|a bag] full of [treasures|odd things|pretty things]: <np>, <np>, and <np>.
{He} collected [all kinds of things|things]. {His} [best|last|newest] find was <np>.
{He} had [two brothers|three sisters|a big family|a baby sister|a twin brother|many cousins] and a [room|shelf|corner] full of <adj> [things|books|stones|toys|pictures].
{He} [always|often] wore a <color> [hat|scarf|coat|sweater|cap|vest] with [big|tiny|golden|wooden|red|blue] buttons.
[Every night|On Sundays|In the evening], {he} [dreamed of|drew|told stories about] <np>.
{He} [had|had] [big|bright|kind|curious] eyes and a [loud|soft|funny|cheerful] [laugh|voice].
{He} had a [warm|big|funny|cheerful] smile for everyone.
{G} [always said|liked to say] that {h} was [never still|full of questions|a ray of sunshine|always hungry|as good as gold|one of a kind].
{He} [asked a hundred questions a day|always had a song in {his} head|could never sit still|always wanted to know why|never went anywhere without a snack].
{He} [loved|liked] {act1_ing}, and [nobody|no one in the [village|town|valley]] was better at it.
= town
[small town|little village|quiet village|green valley|sunny town|big forest|town by the sea|village by the river|land of hills|town with red roofs|busy little town|place far away]
= aside
A <size> <hue> <critter> <critterdid> {spot5}.
A <size> <critter> <critterdid>.
{nat2}
{nat2}
[The air smelled of|There was a smell of] <smell>.
[Somewhere|Far away|Close by], a [bell|dog|bird|train|cow|rooster|horn|crow] [could be heard|made a noise|broke the silence].
[The wind|A soft wind|A breeze] [hummed in the trees|tickled {his} nose|moved the leaves|pulled at {his} ears|whispered in the grass].
It was the kind of day when [anything can happen|nobody wants to go home|everything seems possible|even the [crows|bees|cats|squirrels] are lazy].
= adj
[tiny|huge|shiny|dusty|round|heavy|light|old|new|broken|strange|funny|lovely|fancy|plain|secret|ancient|magic|precious|pretty|little|big|forgotten|beautiful|odd|simple|famous|lost|special|perfect|splendid|ordinary|curious|cheap|ugly|borrowed|spare|mysterious|useful]
= color
[red|blue|green|yellow|white|black|brown|gray|pink|purple|orange|golden|silver|striped|spotted|bright red|dark green|light blue|rosy|pale yellow|sky blue|colorful|checkered]
= hard
[wooden|iron|copper|glass|stone|clay|tin|brass|marble|plastic|painted|rusty|carved|crooked|bent|polished|scratched|wobbly|cracked|sparkling]
= cloth
[knitted|woolen|silky|velvet|leather|cotton|folded|patched|torn|soft|warm|fluffy|embroidered|faded|washed|wrinkled|checkered|itchy|ragged|cozy]
= wild
[smooth|wrinkled|wet|frozen|muddy|withered|fresh|dry|ripe|half-eaten|prickly|spotted|sun-warmed|lumpy|glossy|mossy]
= hard_noun
[axe|bead|bracelet|camera|candlestick|cane|clarinet|clock|cup|drawer|fan|fiddle|fishing rod|flute|fork|funnel|globe|hammer|helmet|hook|horn|jar|kettle|lamp|lock|magnet|medal|mirror|mug|needle|oar|padlock|penny|pipe|pitcher|pocket watch|propeller|rake|rattle|saw|spade|spoon|stool|teacup|thimble|trumpet|vase|violin|wheel|whisk|zipper|microscope|typewriter|doorknob|toolbox]
= big
a [<adj>|<color>|<hard>] [anchor|armchair|bathtub|bench|cart|piano|statue|table|windmill|gate|signpost|mailbox|harp|rocking chair|sewing machine|weather vane|sundial|tuba|ladder|barrel|chest|cradle|birdcage|sailboat|wheelbarrow|hot-air balloon|fire truck|tractor|carousel|bandstand|beehive|drawbridge|greenhouse|haystack|rowboat|stagecoach|tower|watermill|well]
= cloth_noun
[apron|bonnet|bow|carpet|coat|curtain|cushion|flag|glove|hammock|handkerchief|jacket|napkin|net|purse|quilt|ribbon|rug|sack|sail|scarf|shawl|shoelace|sleeping bag|sponge|sweater|tablecloth|tassel|tent|towel|vest|pouch|costume|bathrobe|mitten|parachute]
= wild_noun
[acorn|apple|blossom|cabbage|cactus|cherry|chestnut|coconut|eggshell|feather|fossil|leaf|lemon|melon|mushroom|nest|nut|onion|pear|pebble|pine cone|potato|pumpkin|radish|root|snail shell|toadstool|turnip|twig|walnut|watermelon|clump of moss|branch|plum|beet|cucumber|seed pod|lump of amber]
= paper_noun
[letter|postcard|map|ticket|drawing|envelope|stamp|poster|photograph|painting|recipe|diary|book of riddles|sheet of music|sketch|newspaper|calendar|birthday card]
= np
a <adj> <hard_noun>
a <color> <hard_noun>
a <hard> <hard_noun>
a <cloth> <cloth_noun>
a <color> <cloth_noun>
a <adj> <cloth_noun>
a <wild> <wild_noun>
a <color> <wild_noun>
[a|a|somebody's|an old] <paper_noun>
a <adj> <paper_noun>
a <hard> <hard_noun> with a <color> [handle|lid|string|edge|stripe|ribbon|dot|star|spot|label]
= spoken
[the smell of <smell>|the sound of <sound>|{food}|{act1_ing}|{act3_ing}|<np>|a [rainy|lazy|windy|quiet|sunny|long] day|long evenings|the way the light falls]
= smell
[grass|bread|rain|honey|pine trees|smoke|flowers|wet leaves|warm stones|soup|roses|hay|mint|apples|lemons|soap|cinnamon|moss|pepper|the sea|fresh paint|toast]
= sound
[rain|bells|the wind|crickets|laughter|an old clock|water|a fiddle|birds|a far train|drums|leaves|a broom|hammers|frogs|geese]
= detail
{h} [wore|had on] a <cloth> <color> [hat|scarf|coat|sweater|cap|vest|jacket|shirt] [that day|that {time}|as always].
In {his} [bag|basket|room|drawer] {h} [had|kept] <np>[| and <np>|, just in case].
"Do you know what I like [best|about {season}]?" {h} [often|sometimes|always] asked. "I like <spoken>[| and <spoken>]."
{h_poss} favorite [smell|smell in the world] was <smell>, and {his} favorite [sound was <sound>|color was <color>|food was {food}].
{h} once [traded|swapped] <np> for <np>.
[Last|That] [week|month|spring|summer], {h} [had lost|had found|had painted|had dreamed of] <np>.
{G} called {h} "my little [sunshine|pumpkin|sparrow|bear|acorn|cloud|star|mouse|bee]."
= onway
On the way, {h} [saw|found|noticed] <np>[| and <np>].
On the way, {h} [saw|noticed|passed] <big>[| and <big>].
The air smelled of <smell> and <smell>.
[Far away|Somewhere|From time to time|Now and then], [one|you] could hear <sound>[| and <sound>].
A cloud [sailed by|floated past|hung in the sky] that looked like [<np>|<big>].
{h} hummed a [little|funny|new|slow|merry] song about [<np>|<big>].
The light was [soft|golden|gray|bright|pale] and the shadows were [long|short|blue|deep].
{h} counted <sights> and lost count.
= sights
[doors|chimneys|clouds|birds|puddles|fence posts|red flowers|white stones|black cats|yellow leaves|bicycles|snails]
= maybe
<detail>
<detail>
[|]
= air
<aside>
[|]
= outing
<outing0>
<outing0>
<outing0> <onway>
= outing0
One {weather} {time}, {h} went to {place}[| all alone| after breakfast| to {act1}| with a happy heart].
One {weather} {time} in {season}, {h} [walked|ran|skipped|hurried|set off] to {place}.
One {time}, {h} [was playing|was walking|wanted to {act1}|was {act1_ing}] {at}. [It was a {weather} day.|The day was {weather}.|{nat1}]
It was a {weather} {time}, and {h} [was playing {at}|ran to {place}|was on the way to {place}|was {act1_ing} {at}].
On a {weather} {time} in {season}, {h} [was {act1_ing} {at}|went to {place} to {act1}|could not stay inside, so {he} ran to {place}].
"[May I|Can I] go to {place}?" {h} asked one {weather} {time}. "Yes, but be home for [dinner|supper|lunch]," said {g}.
= outingg
<outingg0>
<outingg0>
<outingg0> <onway>
= outingg0
One {weather} {time}, {h} and {g} went to {place}[| together| to {act1}].
One {weather} {time}, {g} took {h} to {place}.
"Let us go to {place} today," said {g} one {weather} {time}. {h} [was ready in a minute|put on {his} shoes at once|cheered|ran to the door].
It was a {weather} {time} in {season}. {h} and {g} were {act1_ing} {at}.
On a {weather} {time}, {g} and {h} [packed a lunch and|held hands and] walked to {place}.
= outingf
<outingf0>
<outingf0>
<outingf0> <onway>
= outingf0
One {weather} {time}, {h} and {f_ref} [went|ran|walked|hurried|raced] to {place}[| together| to {act1}].
One {weather} {time}, {h} met {f_ref} {at}. They [{act1_ed}|{act1_ed} and {act2_ed}|wanted to {act1}].
It was a {weather} {time} in {season}. {h} and {f_ref} were {act1_ing} {at}.
"Let us [play {at}|go to {place}|{act1}]!" said {f_ref} one {weather} {time}. {h} [liked that|thought that was a great idea|said yes at once|nodded].
{h} had [a|a very] [good|dear] friend named {f}. One {weather} {time}, they [{act1_ed}|went to {place}|met {at}|were {act1_ing}] together.

# ---- lessons and endings ----
= moral
[{h} learned|That day, {h} learned|{h} had learned|And so {h} learned] that <x>.
[From that day on|After that|From then on], {h} [always remembered|never forgot|knew] that <x>.
"[Remember|You see|Never forget|Now you know], {h}," said {g}, "<x>."
The moral of the story is that <x>.
[Now|Today|Then] {h} [knew|understood|could see] that <x>.
{G} [smiled|nodded|winked] and told {him} that <x>.
[That night|Before bed|At bedtime], {h} thought, "I know now that <x>."
And [everyone|everybody] [who heard the story|in the [village|town|valley]] [agreed|knew] that <x>.
= bye
[They|They all] [{act2_ed}|{act3_ed}|laughed and talked|played together|told stories|sang songs] until [it got dark|the stars came out|it was time to go home|the moon was up|the sun went down].
That [night|evening], {h} [slept well|fell asleep with a smile|dreamed of {act2_ing}|told {g} the whole story|was tired but happy|lay in bed and smiled|slept like a stone].
[At home|In the evening|For supper|When they got home], there was {food}[| for everyone|, and it had never tasted so good|, and {h} ate every bit of it].
It [was|had been] a [wonderful|very good|long and happy|perfect|lucky] day.
And they [lived happily ever after|were happy|had many more adventures|stayed friends forever|never forgot that day].
[The end.|And that was that.|What a day it was!|And that is the end of the story.]
<glad:h>
{G} was waiting at the door with {food}. "[What a day|Wash your {hands} first|I am glad you are home|Tell me everything]!" {g_he} said.
[Tomorrow|The next day], {h} wanted to {act3}. But now it was time to [sleep|rest|go to bed|eat].
= byeg
That [night|evening], {h} [slept well|fell asleep with a smile|dreamed of {act2_ing}|was tired but happy|lay in bed and smiled|slept like a stone].
[In the evening|For supper|Later], they had {food}[|, and it had never tasted so good|, and {h} ate every bit of it].
It [was|had been] a [wonderful|very good|long and happy|perfect|lucky] day.
[The end.|And that was that.|What a day it was!|And that is the end of the story.]
<glad:h>
{h} [took {g_poss} {hand}|smiled at {g}|hugged {g}|leaned on {g}]. "I love you, {g_call}," {he} said. "I love you too, {h}," said {g}.
[Tomorrow|The next day], {h} wanted to {act3}. But now it was time to [sleep|rest|go to bed].

# ================================================================ plots: `= name` is the skeleton, `name.beat` its parts

# ---- a thing is lost and found ----
= lost
<open> <maybe> <lost.love> // <outing> {He} took {his} {o} along. [<aside> |]<lost.gone> // <lost.search> [<sad:h> |]// <lost.helpf> <air> // [<glad:h> |]<moral:lost.lesson> [<bye>|]
<open> <maybe> <lost.love> // <outingg> {h} brought {his} {o}. <lost.gone> // <lost.search> [<aside> |]// <lost.helpg> // [<glad:h> |]<moral:lost.lesson> [<byeg>|]
<lost.love2> // <outing> [<aside> |]<lost.gone> // <lost.search> <air> // <lost.helpa> // <moral:lost.lesson> [<byeg>|]
<lost.love2> // <outingf> {h} had {his} {o} with {him}. <lost.gone> // <sad:h> "[Do not cry|Do not be sad|Cheer up], {h}," <saykind:f>. "We will look [everywhere|together|until we find {o_them}]." <air> // <lost.search2> // [<glad:h> |]<thanks:f> <moral:lost.lesson>
= lost.love
{His} favorite [thing in the world|toy|treasure] was {o_a}.
{G} had [given {him}|bought {him}|found {him}] {o_a}[| for {his} birthday| at the fair].
{He} had {o_a}, and {he} loved to {o_use}.
{He} took {his} {o_adj} {o} [everywhere|to bed and to breakfast|wherever {he} went].
= lost.love2
{h}, a {trait} {kind}, had {o_a}. {He} [liked|loved] to {o_use}[| more than anything| all day long].
[Once upon a time|Once], a {trait} {kind} named {h} got {o_a} from {g}. {He} [spent all day|could not stop|loved] {o_using}.
There was once a {kind} named {h} who had {o_a}. [Every day|All day long], {he} was {o_using}.
"I love my {o_adj} {o}!" {h} [often said|told everyone]. The {trait} {kind} [liked|loved] to {o_use}.
= lost.gone
{h} stopped to watch {see1}. {He} leaned over, and {his} bag tipped. [Later|Much later], {he} opened the bag to get {his} {o}. It was empty! "[Where {o_is} my {o}|What happened to my {o}]?" {he} [cried|gasped].
{h} [put {o_them} down|put {o_them} down for just a minute] to {act1}. When {he} [came back|looked again|turned around], {o_it} {o_was} gone!
{He} [ran|jumped|hopped] so [fast|wildly|much] that {he} dropped {o_them} [and did not notice|without seeing it]. [Only later|Then|When {he} wanted to rest], {he} saw that {his} {o} {o_was} gone.
There was a hole in {his} [bag|basket|pocket], and [somewhere on the way|bit by bit|all of a sudden] the {o} fell out. "[Oh no|Where is it|Help]! I lost my {o_adj} {o}!" cried {h}.
[While {h} was looking at|{h} stopped to look at] {see1}[, someone bumped into {him}|, and {he} forgot everything else]. [Then|A moment later], {he} [looked down|reached for the {o}]. The {o_adj} {o} {o_was} gone!
{h} wanted to {o_use}, but {he} could not find {his} {o}. "[Oh no|Oh dear], where did I put {o_them}?" {he} [cried|wondered|asked].
After {act2_ing}, {h} [felt for|reached for|wanted] {his} {o}. [But {o_it} {o_was} not there|But {o_it} {o_was} gone|Nothing was there]!
= lost.search
{He} made a list of all the places. {Spot1}? [No|Nothing]. {Spot2}? [Only <junk>|No luck]. {Spot4}? [Just <np>|Not there].
{He} looked {spot1} and found <np>. {He} looked {spot2} and found <junk>.
{He} looked {spot1}, but there was [only|nothing but] <junk>. {He} looked {spot2}, [but|and] there was [nothing there|only <junk>|no {o}].
First {he} looked {spot1}. [No {o}|Nothing]! Then {he} looked {spot2}. [Nothing there either|Only <junk>|Still no {o}]!
{h} [searched|looked] everywhere: {spot1}, {spot2}, and even {spot4}. [All {he} found was <junk>.|But the {o} {o_was} not there.|There was <junk>, but no {o}.]
"[Where can|Where could] {o_it} be?" {he} [said|thought]. {He} crawled around {spot1}, but {he} only found <junk>. {He} [also looked|looked] {spot2}, but there was no {o}.
[Up and down|Back and forth] {he} went. {He} found <junk> {spot1} and <junk> {spot2}, but {he} did not find the {o}.
= lost.search2
They looked {spot1} and found <junk>. They looked {spot2} and found [nothing|only <junk>]. <atlast>, {f} [looked|peeked|reached] {spot3}. "[I see something {o_adj}|Come here|Look, {h}]!" {f_he} [shouted|called]. [It was the {o}|There {o_was} the {o}]!
{f} looked {spot1} while {h} looked {spot2}. Then they both looked {spot3}. [There {o_was} the {o_adj} {o}|The {o} {o_was} there], [safe and sound|a little dusty but fine|just waiting for {h}]!
"Where were you last?" {f} asked. {h} [pointed|thought hard and pointed]. They went back [slowly|step by step], and there, {spot3}, {o_was} the {o_adj} {o}.
= lost.helpf
<then>, {f_ref} came [along|by|over]. "[Why are you sad|What is wrong|What happened], {h}?" <asks:f>. "[I lost my {o}|My {o_adj} {o} {o_is} gone]," <saysad:h>. "[Let us look together|I will help you|Two can see more than one]," <said:f>. They looked {spot3}. "[There|Look|Here]!" {f} [cried|shouted]. [The {o} had been there all along|There {o_was} the {o_adj} {o}]. <thanks:f>
{F_ref} [heard {him}|saw {him} looking] and [ran over|came to help]. "What [did you lose|are you looking for]?" <asks:f>. "My {o_adj} {o}," <said:h>. {f} [smiled|scratched {f_his} head|grinned]. "[I saw {o_a} {spot3}|Something {o_adj} is {spot3}]," {f_he} said. They [ran|raced|hurried] there, and [it was true|there {o_was} the {o}|{f} was right]! <thanks:f>
= lost.helpg
{G} knelt down next to {him}. "[Let us start at the beginning|Close your eyes and think back]," <saykind:g>. "What did you do after [breakfast|lunch|we came]?" "I {act1_ed}, and then I went {spot3}!" <said:h>. They ran there as fast as they could. And {o_was} the {o} there? Yes, [dusty but whole|a bit wet but fine|safe and sound]!
"What is [wrong|the matter], {h}?" <asks:g>. "[I cannot find my {o}|My {o} {o_is} lost]," <saysad:h>. "[When|Where] did you [have {o_them} last|see {o_them} last]?" {g_he} asked. {h} [closed {his} eyes|thought hard]. "I was {act1_ing} {spot3}," {he} said. They went back, and there {o_was} the {o}! "[Thank you, {g_call}|You are so clever, {g_call}]!" <sayglad:h>.
{h} told {g} about the {o}. "[Do not worry|Let us think]," <saykind:g>. "Things do not [walk away|fly away] by themselves." They [walked back|went back] [slowly|hand in hand] and looked [once more|again]. <atlast>, {g} [stopped|bent down|held up a finger]. [There, {spot3}, {o_was} the {o_adj} {o}!|{Spot3} {o_was} the {o_adj} {o}!] {h} hugged {his} {o} and then {g}.
= lost.helpa
<then>, {h} heard something. A [tiny|small|little] {a_hue} {a} sat {spot3}. ["[Is this yours|Are you looking for something]?" {a_said} the {a}|"I saw your {o}," {a_said} the {a}]. It [stepped|moved] to the side, and there {o_was} the {o}! "[Oh, thank you|You found my {o}]!" <sayglad:h>. {He} gave the {a} some {a_food}[ and they became friends|, and it was very happy|].
<sudden>, a {a_hue} {a} came [along|out from {spot3}]. It [carried|pulled|was dragging] something {o_adj}. "[My {o}|I know that {o}]!" <sayglad:h>. The {a} had [only wanted to play|wanted to make a bed with {o_them}|thought the {o} {o_was} food]. {h} laughed and gave it some {a_food} instead. [The {a} was happy with the trade.|So they both got what they wanted.|]
= lost.lesson
it is good to keep special things in a safe place
[two|four] eyes see more than [one|two]
you should not give up [too soon|after the first try]
it [is better|helps] to [stay calm and think|look slowly|ask for help]
a good [friend|helper] is worth more than any {o}
we must take care of the things we love

# ---- learning a skill ----
= learn
<open> [But there was one thing {he} could not do|There was one thing {he} wanted more than anything|{He} had a big wish]: {he} [could not {skill}|wanted to {skill}]. // <learn.try> // <learn.meet> <air> // <learn.again> // [<proud:h> |]<moral:learn.lesson> [<byeg>|]
{h} was {age} years old and [wanted to|could not wait to] {skill}. [All the others could do it|{F_ref} could do it already|"When I am big, I will {skill}," {he} always said]. // <learn.try> [<aside> |]// <learn.meetg> // <learn.again> <air> // <proud:h> <moral:learn.lesson>
One {weather} {time}, {h}, a {trait} {kind}, [went to see|visited|met] {f_ref}. {f} was {skill_ing}, and it looked so easy! "I want to {skill} too," <said:h>. // <learn.try> // <learn.teach> <air> // <learn.again> // <proud:h> <moral:learn.lesson> [<bye>|]
= learn.try
{He} [asked no one for help|took a deep breath and began]. One, two, three, and {skill_fail1}. {He} waited a bit and tried again. This time, {skill_fail2}. [<sad:h>|<angry:h>|"[Why does it not work|What am I doing wrong]?" {he} asked.]
On the first try, {skill_fail1}. On the second try, {skill_fail2}. [<sad:h>|<angry:h>|"[I will never learn it|It is too hard|I cannot do it]!" <wail:h>.]
{He} tried [it alone|it in secret|right away]. But {skill_fail1}. {He} tried again, but {skill_fail2}. [<sad:h>|<angry:h>|["Why is it so hard?" {he} [said|groaned]|"This is too hard," {he} [said|groaned]].]
[It was not easy|It was harder than it looked|It did not go well]. First, {skill_fail1}. Then {skill_fail2}. [<sad:h>|<angry:h>|"[I give up|I am no good at this]," <saysad:h>.]
= learn.meet
{F_ref} [had watched|saw it all|came by]. "[I fell ten times before I could do it|It took me a whole summer|Nobody can do it the first day]," <said:f>. "[Try once more|Do not give up|Do it slowly], and I will [stay here|help you|cheer for you]."
A {a_hue} {a} [sat|was] {spot1} and watched. "[You are too fast|You think too much|You almost had it]," {a_said} the {a}. "[Breathe|Go slowly|Try it one more time] and [believe in yourself|do not look down|take your time]."
= learn.meetg
{G} [sat down next to {him}|saw {his} sad face|came out of the {home}]. "[When I was small, I could not do it either|It takes time to {skill}|Every master was once a beginner]," <saykind:g>. "[Let us practice a little every day|Try again tomorrow|Show me, and we will do it together]."
"[Do you want to stop|Shall I show you how|Can I help]?" <asks:g>. "[No, I want to {skill}|Yes, please|I want to try again]," <said:h>. {G} [held {his} {hand}|showed {him} how to begin|stood close by|told {him} a little secret].
= learn.teach
["[Can you teach me|How do you do that]?" <asks:h>|"Show me," <said:h>]. "[Sure|Of course|Gladly|Yes]!" <exclaim:f>. "The trick is to [go slowly|keep calm|start small|breathe|think of something nice]." {f} showed {him} [three times|again and again|step by step].
{f} did not laugh. "[I can show you|Watch me|I was just like that]," {f_he} said. "[First you must not be afraid|Start slowly|Look, like this]." {h} [watched closely|nodded|listened to every word].
= learn.again
{h} tried it slowly. {He} tried it [with {his} eyes closed|in {his} sleep|in front of the mirror]. {He} counted the tries, and after [thirty|forty|fifty-one] {he} stopped counting. And then, on a {weather} {time}, {skill_win}. [<glad:h>|"[So that is how it goes|There it is|Now I know how]!" <sayglad:h>.]
{h} practiced [every day|all week|before breakfast and after supper|until the moon came out]. <atlast>, {skill_win}! "[I did it|Look, I can {skill}|I can do it]!" <sayglad:h>.
So {h} tried again. And again. And one more time. <sudden>, {skill_win}! [Everyone clapped|"You did it!" cried everyone|{He} could not believe it].
[Day after day|Morning after morning], {h} worked at it. [Some days were good and some were bad|Each day it went a little better|{He} got many bumps, but {he} did not stop]. Then one {time}, {skill_win}. "[Hurray|Did you see that|I can do it]!" <sayglad:h>.
= learn.lesson
[practice makes hard things easy|you can learn anything if you keep trying]
[it is fine to fall|falling down is no shame], as long as you get up again
nobody is good at something on the first [day|try]
[small steps lead to big things|big things begin with small steps]
[giving up is the only way to fail|those who try again will win]
[hard work|patience] and [a good teacher|a bit of help] can do wonders

# ---- sharing ----
= share
<open> <maybe> <share.have> // <share.meet> // <share.no> <air> // <share.alone> // <share.turn> <moral:share.lesson> [<bye>|]
<share.have2> // <share.meet> // <share.no> <air> // <share.ask> // <share.turn> <moral:share.lesson>
<open> <maybe> // <outingf> <share.food> // <moral:share.lesson> [<bye>|]
= share.have
One {time}, {he} got {o_a}. {He} [loved|wanted] to {o_use} all day.
{He} had {o_a}, and nobody else was allowed to touch {o_them}.
[For {his} birthday|From {g}], {he} got {o_a}. {He} spent the whole {time} {o_using}.
= share.have2
{h} had {o_a}. {o_It} {o_was} the best {o} in the whole [village|town|valley|neighborhood|land], and {h} [knew it|was very proud of {o_them}|would not let go of {o_them}].
"My {o} {o_is} the best {o} in the world," {h} liked to say. The {trait} {kind} was always {o_using}.
= share.meet
<then>, {f_ref} came to play. "[What {o_nice}|Oh, your {o} {o_is} lovely|I like your {o}]!" <exclaim:f>. "[May I try|Can I have a turn|Can we play together]?"
{F_ref} [stopped by|came over|walked up]. "I [do not have|never had|always wanted] {o_a}," <said:f>. "[Can we share yours|May I try yours|Can I have a turn]?"
= share.no
"[I got it first|It is new|You will make a mess]," <said:h>. "[Maybe when I am done|Ask me next week]." {f} [put {f_his} {f_hands} behind {f_his} back|sat down on a step|said nothing more]. <sad:f>
"No! {o_It} {o_is} mine," <said:h>, and {he} [held the {o} tight|turned away|ran to the other side]. <sad:f>
{h} [shook {his} head|hid the {o}|made a face]. "[You might break {o_them}|Get your own|I do not want to share]," {he} said. <sad:f>
"Not now. Maybe [tomorrow|later|never]," <said:h>. {f} [waited and waited|looked at the ground|did not ask again|went away]. <sad:f>
= share.alone
{h} [played alone|kept {o_using}]. But [after a while|soon], it was [boring|not fun|too quiet]. {He} looked at {f}, who was [drawing in the sand|sitting all alone|watching the clouds]. <sorry:h>
[Now {h} had the {o} all to {himself}|So {h} was left alone]. [But there was nobody to laugh with|But something was missing|But it was no fun alone]. "[Toys are no fun without friends|Maybe I was mean]," {he} thought.
= share.ask
{G} had seen [it|everything]. "[How would you feel|How do you think {f} feels|Would you like to be left out]?" {g_he} asked. {h} [thought about it|looked at {f}|was quiet for a moment]. <sorry:h>
"{h}, [two can have more fun than one|a toy does not get smaller when you share it|do you remember when {f} shared with you]," <saykind:g>. {h} [had not thought of that|nodded slowly|blushed].
= share.turn
{h} [ran|walked] over. "[Would you like to {act1} with me|Shall we take turns|Do you want to hold the {o}]?" {he} asked. {f} [wiped {f_his} nose|looked up slowly]. "[Really|Do you mean it|Are you sure]?" <asks:f>. "Yes," <said:h>. [By evening|Before long], they had [invented three new games|laughed more than in a whole week]. //
{He} went to {f} and [held out|gave {f_him}] the {o}. "[I am sorry. You can have a turn|Let us play together|You go first this time]," {he} said. <glad:f> They took turns and [laughed a lot|had more fun than before|made up a new game]. //
"{f}, wait!" <exclaim:h>. "[Come and play with me|I want to share|Here, you try]." {f} [smiled|looked up|ran back]. [Soon they were laughing together|They played until lunch|Together they found a new way to play]. //
"[I was wrong|I am sorry I was mean]," <said:h>. "Here {o_is} the {o}. [We can take turns|Let us use {o_them} together]." "[Thank you|You are kind|That is nice of you]," <sayglad:f>. [In return, {f} shared {food}|Then {f} showed {him} a new trick|And so they played side by side]. //
= share.food
{h} had brought {food}. It smelled so good! {f} had [nothing|forgotten {f_his} lunch|only an empty bag]. {f_His} belly [rumbled|growled]. {h} [looked at the food|wanted to eat it all|turned away a bit]. There was [just enough for one|not a lot]. // But then {h} [looked at {f}|saw {f_his} hungry eyes|heard the rumble again]. "[Here, take half|Let us share|You can have the bigger piece]," <saykind:h>. {f} [could not believe it|took it with both {hands}|ate slowly]. "[Thank you|This is the best food ever|You are so kind]," <said:f>. They [ate|sat] {spot1} and [watched {see1}|talked about {see2}|shared every crumb]. // The next {time}, it was {f} who had food, and {h} who had none. And guess what? {f} gave {him} half.
= share.lesson
sharing makes [everyone happy|joy twice as big|good things even better]
a thing is more fun when [you share it|two can enjoy it]
it [feels|is] better to give than to keep
[friends are|a friend is] more important than [toys|things]
[those who share|if you share, you] are never alone

# ---- fear overcome ----
= fear
<open> [But|There was only one problem.] {h} was afraid of {fear}. // <fear.when> // <fear.talk> <air> // <fear.do> // <proud:h> <moral:fear.lesson> [<byeg>|]
{h} was a {trait} {kind}, but {he} was [very |]afraid of {fear}. [{He} never told anyone|Everybody knew it|It made {him} feel small]. // <fear.when> // <fear.talkf> <air> // <fear.do> // <moral:fear.lesson> [<glad:h>|<proud:h>|]
"[I am not afraid of anything|Nothing scares me]!" {h} liked to say. But [it was not true|that was a fib]. {He} was afraid of {fear}. // <fear.when> // [<fear.talk>|<fear.talkf>] <air> // <fear.do> // <proud:h> <moral:fear.lesson>
= fear.when
It was a {weather} {time}, and {h} [had forgotten all about it|was in a good mood]. Then {fear_when}. <scared:h> "[I cannot do this|Please, not that|I want to go home]," {he} said in a small voice.
One {weather} {time}, {fear_when}. <scared:h> <scared:h>
[Then one {time}|One {time} in {season}], it happened: {fear_when}. <scared:h> "[I want to go home|I cannot do this|Help]!" {he} [cried|whispered|said].
{nat1} <sudden>, {fear_when}. <scared:h> [<scared:h>|{He} looked for a place to hide.]
= fear.talk
{G} [sat down beside {him}|held {him} close|took {his} {hand}|heard {him} cry]. ["[Are you afraid|What is it]?" {g_he} asked|"You are shaking, my dear," {g_he} said]. {h} nodded. "[I used to be afraid too|Everyone is afraid of something|It is fine to be scared]," <saykind:g>. "[I know a trick|I will tell you what helps|Here is what I do]. {fear_tip}."
"[I am scared|I am afraid of {fear}]," <saysoft:h>. {G} did not laugh. "[That happens to big people too|Even I was once afraid of {fear}]," {g_he} said. "[But listen.|Do you know what I do?|Here is my secret.] {fear_tip}."
= fear.talkf
{F_ref} was there too. "[You look pale|You are so quiet today|Come on], {h}," <said:f>. "[I am afraid|I am scared]," <saysoft:h>. "[Me too, a little|I was afraid too, once]," said {f}. "[But my grandma told me a trick|But I found out what helps]. {fear_tip}."
"Do not tell anyone," {h} said to {f_ref}, "but I am afraid of {fear}." {f} [did not laugh|nodded|thought about it]. "[I will stay with you|I know what helps|We can be brave together]," {f_he} said. "{fear_tip}."
= fear.do
{h} counted to three. One. Two. At three, {he} {fear_did}. {His} heart still thumped, but [it was not so loud|only a little]. And look: {fear_turn}. "[Is that all|Why was I so afraid]?" <asks:h>.
{h} took a [deep|long|big] breath. Then {he} {fear_did}. [And guess what|To {his} surprise]? {Fear_turn}. [It was not so bad|{h} almost had to laugh|Bit by bit, the fear went away].
It was hard, but {h} {fear_did}. [One minute went by|Nothing bad happened|{His} heart went slower]. Then {he} [noticed|saw|understood] something: {fear_turn}! "[That was all|I did it|It is not scary at all]!" <sayglad:h>.
[First {he} wanted to run|{h} swallowed]. But {he} {fear_did}, just [as {he} was told|like that]. And then {he} had to smile, because {fear_turn}. "[Again|I want to do it again|I am not afraid anymore]!" <exclaim:h>.
= fear.lesson
being brave means [to be scared and try it anyway|doing it even when you are afraid]
most scary things are [small when you look at them|not so scary in the light]
it helps to [talk about your fears|tell someone when you are afraid]
fear gets smaller when [a friend is near|you share it|you take one step toward it]
everyone is afraid [sometimes|of something], and that is fine

# ---- a trick or a joke ----
= trick
<open> <maybe> [Most of all, {he} loved jokes|{He} loved to play tricks|And {he} always had a trick ready]. // <trick.do> // <trick.hurt> <air> // <moral:trick.lesson> [<bye>|]
<open> <maybe> [Most of all, {he} loved jokes|{He} loved to play tricks|And {he} always had a trick ready]. // <trick.do> // <trick.back> <air> // <moral:trick.lesson2> [<bye>|]
<open> <maybe> {He} had {f_ref_a}, who [loved jokes too|was always good for a laugh|was easy to fool]. // <trick.do2> // <trick.hurt> <air> // <moral:trick.lesson>
<open> <maybe> {He} had {f_ref_a}, who [loved jokes too|was always good for a laugh]. // <trick.do2> // <trick.back> <air> // <moral:trick.lesson2> [<bye>|]
= trick.do
One {weather} {time}, {h} [hid|waited] {spot1}. When {f_ref} came by, {he} jumped out and [shouted "Boo!"|roared like a bear|barked like a dog]. {f} [dropped {f_his} [lunch|apple|basket]|jumped as high as a fence|screamed and fell into a bush]. {h} [laughed and laughed|rolled on the ground|held {his} belly].
One {time}, {h} [put salt in the sugar bowl|hid all the spoons|turned every chair upside down|tied all the shoes together]. [When|As soon as] {f_ref} [came to visit|walked in], {he} could hardly keep still. "[Ugh|Hey|What is this]!" cried {f}. {h} [giggled|laughed so hard that {he} hiccuped].
One {time}, {h} [painted a stone white|made a worm from noodles|cut a spider from black paper] and put it [in {f_poss} lunch|on {f_poss} chair|in {f_poss} hat]. {F_ref} [looked at it|found it] and [yelled|jumped up|turned pale]. "[It is alive|What is that|Help]!" {h} [laughed|giggled] behind the door.
= trick.do2
"[I saw a giant by the well|The moon fell into the pond|There is a dragon {spot1}|A bear is eating your dinner]!" {h} told {f} one {time}. {f} ran [to look|as fast as {f_he} could]. There was nothing but <junk>. When {f_he} came back, {h} was [laughing|rolling on the ground].
One {weather} {time}, {h} [put on a sheet|made big wooden feet|hung a bell in a tree] and [made strange noises|hid {spot1}]. {f} [came along|walked by], heard it, and [ran home|climbed a tree|hid under a cart]. "[A ghost|A monster|Help]!" {f_he} cried. {h} [had never laughed so much|laughed until {his} sides hurt].
= trick.hurt
But {f} did not laugh. <sad:f> "[That was not funny|You scared me|That was mean]," <saysad:f>. <sorry:h> "[I am sorry|Please forgive me|I only wanted to laugh with you]," <said:h>. "[Let us think of a joke that is fun for both of us|I will not do it again]." {f} [wiped {f_his} eyes|thought for a moment|nodded]. "[All right|Fine|I forgive you]," {f_he} said[, "but next time we trick {g}."|, and then they both had to smile.|.]
= trick.back
The next {time}, it was {f_poss} turn. When {h} [opened the door|sat down to eat|put on {his} hat], a [bucket of leaves|shower of feathers|heap of paper stars] fell on {his} head. "[Now we are even|Got you]!" <sayglad:f>. {h} was [surprised|silent for a moment]. Then {he} began to laugh, and {f} laughed with {him}. [They shook {hands} and were friends|"That was a good one," {he} said].
{f} [saw who it was|looked at {h}] and started to [smile|grin]. "[Very funny|You got me|Just you wait]," {f_he} said. [That night|The next day], {h} found {his} [bed full of pine cones|shoes full of jelly|cup glued to the table]. There was a note: "[Ha, ha|Love from {f}|Now we are even]!" {h} laughed [louder than anyone|until {he} cried].
= trick.lesson
a joke is only good when [everyone can laugh|nobody gets hurt|nobody cries]
you should say sorry when a joke goes too far
[scaring people is not funny|laughing with someone is better than laughing at someone]
= trick.lesson2
[those who play tricks|if you play tricks, you] must be ready to [be tricked|get one back]
it is best to laugh together
[a good joke makes two people laugh|you should be able to laugh at yourself]

# ---- helping an animal ----
= rescue
<open> <maybe> // <outing> [<aside> |]<rescue.find> // <rescue.what> <air> // <rescue.do> // <rescue.thank> <moral:rescue.lesson> [<byeg>|]
<open> <maybe> // <outingf> <rescue.find> // <rescue.what> <air> // <rescue.dof> // <moral:rescue.lesson> [<bye>|]
<outingg> {h} was a {trait} {kind}. <rescue.find> // <rescue.what> // <rescue.dog> <air> // <rescue.later> <moral:rescue.lesson>
= rescue.find
{h} was [about to {act1}|looking at {see1}] when something [rustled|moved|squeaked] {spot1}. {He} [went on tiptoe|bent down to look]. Two [small|dark|round] eyes looked up at {him}. It was a {a_hue} {a}.
<sudden>, {h} heard a [soft|weak|sad|strange|tiny] [sound|voice|cry] {spot1}. It was a [little|tiny|small] {a_hue} {a}.
Then {he} saw something move {spot1}. {He} came closer. There sat a {a_hue} {a}[|, all alone|, and it was shaking].
"[Did you hear that|What was that|Who is there]?" {h} said. {Spot1} sat a [small|little] {a_hue} {a}. It did not run away.
= rescue.what
It had [cut its foot on a stone|been chased by a dog|lost its home in the storm] and did not dare to move. "[Can you help me|Will you stay with me|Do you have a bit of food]?" {a_said} the {a}. {h} [had to swallow|knew at once what to do].
[Its leg was|One of its legs was] [caught|stuck] in a [fence|string|net|thorn bush|tin can]. "[Please help me|I cannot get out|It hurts]," {a_said} the {a}.
It had [lost its mother|lost its way|strayed too far] and could not find {a_home}. "[I am so lost|I want to go home|I miss my family]," {a_said} the {a}.
It was [wet and cold|cold and hungry|tired and thin]. "[I have not eaten for two days|The rain was so cold|I am so hungry]," {a_said} the {a}.
It had [hurt its foot|fallen into a hole|rolled down the bank] and could not get back to {a_home}. "[Ouch|Oh dear|Help]," {a_said} the {a}. <sad:h>
= rescue.do
"[I know how you feel|You are safe now|Let me see]," <saykind:h>. First {he} [washed it with clean water|made a soft place for it|dried it with {his} sleeve]. Then {he} [looked for {a_food}|shared {food} with it|sang to it until it was calm]. When it [could stand again|had slept a little|was strong enough], the two went to {a_home} together.
"[Do not be afraid|I will help you|Hold still]," <saykind:h>. {He} [was as gentle as a lamb|moved slowly|used both {hands}]. {He} [freed it|picked it up|took it in {his} arms] and wrapped it in {his} [scarf|coat|blanket|hat]. Then {he} gave it [some {a_food}|a little water|{a_food} and water] and [carried|took] it to {a_home}. It was a long way, [but {h} did not mind|but {he} did not stop|and {his} {feet} got tired].
<idea:h> {He} [ran home and came back with|went to get] [a basket|a soft towel|a bit of rope|a box with straw] and some {a_food}. Very [carefully|slowly|gently], {he} [helped the {a} up|lifted the {a}]. "[Now eat|There you go|Better now]," {he} said. After the {a} had eaten, {h} brought it back to {a_home}.
= rescue.dof
"[We must help it|Poor thing|Poor little {a}]," <said:f>. "[You hold it and I will pull|I will get some {a_food}|Let us make a bed for it]," <said:h>. They worked together, [slowly and gently|as careful as cats]. {f} [stroked its head|sang to it|kept it warm], and {h} [fed it some {a_food}|looked after its leg|gave it water]. Soon, the {a} [could stand again|felt better|was not afraid anymore]. They took it to {a_home}. "[Thank you both|I will never forget you|You saved me]," {a_said} the {a}. [<glad:h>|<glad:f>]
"What shall we do?" <asks:h>. "[Let us take it home|We need some {a_food}|We have to be gentle]," <said:f>. They [built a bed of moss|took turns holding it|put it in a basket] and [fed it|gave it {a_food}] until it was [strong|well|happy] again. Then they brought it to {a_home}, [and its family was waiting there|and they waved for a long time|where it ran in three circles for joy]. [<glad:h>|<glad:f>]
= rescue.dog
"{g_call}, [look|come here|come quick]!" called {h}. ["[Can we help it|What should we do]?" {G} [bent down|looked at it closely|took off {g_his} jacket]|"We have to help," {G} [bent down|looked at it closely|took off {g_his} jacket]]. "[If we are gentle|Of course we can|We will try]," {g_he} said. Together they [set it free|lifted it up|made it warm]. {h} gave it some {a_food}. The {a} [ate everything|closed its eyes|looked at {him} with bright eyes].
{h} wanted to [grab it|run to it], but {g} held {him} back. "[Slowly|Gently|Let it see you first]," {g_he} said. {h} knelt down and held out some {a_food}. Step by step, the {a} [came closer|lost its fear]. Then {g} [helped it|picked it up], and they took it to {a_home}.
= rescue.thank
"[Thank you|You are my hero|I will never forget this]," {a_said} the {a}. [<glad:h>|<proud:h>] //
From then on, the {a} [came to visit every day|followed {h} everywhere|waited for {h} at the gate]. [They became best friends.|<glad:h>] //
A week later, {h} [got lost in the fog|dropped {his} key in the grass|was sad and alone]. Who came to help? The {a}! [It showed {him} the way|It remembered {him}|It made {him} smile again]. //
= rescue.later
[A few days later|The next week], they saw the {a} again {spot2}. It [was well and strong|had a friend with it|was not alone anymore]. [<glad:h>|{h} waved, and the {a} looked back.]
= rescue.lesson
[even the smallest animal|every creature] needs [a friend|help] sometimes
kindness [always comes back|is never wasted|costs nothing]
we should be gentle with those who are [small|weak|smaller than we are]
[helping|to help] makes two hearts happy
you are never too [small|young] to help

# ---- breaking something and being honest ----
= honest
<open> <maybe> // <honest.break> // <honest.hide> <air> // <honest.tell> // <moral:honest.lesson> [<byeg>|]
<open> <maybe> [{He} had {f_ref_a}, who came to play almost every day.|] // <honest.break> // <honest.think> <air> // <honest.tell> // <moral:honest.lesson> [<byeg>|]
There was {brk_a} {brk_where}. It belonged to {g}, [and {g_he} loved it|and nobody was allowed to touch it|and it was very old]. "[Be careful with it|Please do not play near it]," {g_he} told {h}, a {trait} {kind}. // <honest.break> // [<honest.hide>|<honest.think>] <air> // <honest.tell> // <moral:honest.lesson>
= honest.break
{h} wanted to [help with the dusting|surprise {g} with flowers|see what was on the other side]. {He} [reached up|climbed on a stool|pulled a little too hard], and {g_poss} {brk} {brk_how}. [Nobody else was there|It was very quiet afterward].
One {weather} {time}, {h} was [playing with {his} {o_adj} {o}|dancing around|pretending to be a horse|chasing a fly] in the {home}. [<sudden>, {he} bumped into something|{He} did not look where {he} was going|{He} turned too fast]. Crash! {G_poss} {brk} {brk_how}. [It was broken|It broke into many pieces|One piece rolled across the floor].
It was a {weather} {time}, and {h} [was alone in the room|was bored|wanted to look at something]. {He} [only wanted to touch|wanted to hold|bumped into] {g_poss} {brk}. [But oh no|But then]! It {brk_how}. [Now it was broken|There were pieces everywhere|{h} stared at the pieces].
= honest.hide
<scared:h> "[I am in so much trouble|{g_call} will be so angry|Nobody must see this]," {he} thought. {He} [hid the pieces under the bed|swept the pieces under the rug|put the pieces in a box|closed the door and ran away]. When {g} asked, {he} [said nothing.|said, "I do not know."|said, "The cat did it."] <sorry:h> [That night, {he} could not sleep.|{His} supper did not taste good.|The secret got heavier and heavier.]
= honest.think
<sorry:h> {He} [could run away|could hide the pieces|could blame the cat|could say that it was the wind]. [Nobody had seen {him}|No one would ever know|It would be so easy]. But [that felt wrong|{he} would know|{his} belly hurt when {he} thought of it].
<scared:h> "[Maybe I can fix it|Glue might help]," {he} thought. {He} tried to [put it together|stick it with honey|tie it with a string], but it [fell apart again|only got worse|looked awful]. [<sad:h>|]
= honest.tell
At supper, {h} [put down {his} spoon|could not eat]. "[I have a stone in my belly|I must say something], {g_call}," {he} said. "[The {brk} did not break by itself|It was not the cat|I was the one who broke the {brk}]." {G} [put down the bread|came around the table]. "[I knew it already|I found a piece this morning]," {g_he} said, "[and I hoped you would tell me|but I wanted to hear it from you]." [They laughed and cried a little|{g_He} dried {his} tears|{h} felt as light as a feather].
<atlast>, {h} went to {g}. "[I have to tell you something|{g_call}, I did something bad|Please do not be angry]," {he} said. "I broke your {brk}. [I am so sorry|It was me|It was an accident]." {G} [was quiet for a moment|looked at {him} for a long time|took a deep breath]. "[I am sad about the {brk}|It was dear to me]," {g_he} said, "but I am [glad|proud] that you told me the truth." [They mended it with glue|Together they picked up the pieces|{g_He} hugged {him}]. [<glad:h>|A stone fell from {his} heart.]
"{g_call}?" <asksoft:h>. "[It was me|I broke the {brk}|The {brk} is broken, and I did it]." "[Thank you for telling me|That was brave|I know it was hard to say that]," <saykind:g>. "[A {brk} can be fixed|Things can break|I was young once too]. [A lie is much harder to mend|But I need to trust you|And you are more important to me]." [They got the glue and worked on it together|{h} helped to sweep the floor|{h} saved {his} coins and bought some glue]. [<glad:h>|A stone fell from {his} heart.]
= honest.lesson
it is [best|always better] to tell the truth
the truth may be hard, but [a lie is heavier|it makes the heart light]
[everyone makes mistakes|mistakes happen], and it is brave to [admit them|say so]
[saying sorry|being honest] is the first step to make things right
people trust those who are honest

# ---- weather spoils a day ----
= storm
<open> <maybe> // <storm.plan> // <storm.come> <air> // <storm.in> // <storm.after> <moral:storm.lesson> [<byeg>|]
It was {season}. {nat1} {h}, a {trait} {kind}, [was ready for a big day|had waited for this day all week]. <storm.plan> <air> // <storm.come> [<sad:h> |]// <storm.inf> // <storm.after> <moral:storm.lesson>
= storm.plan
{He} wanted to go to {place} to {act1}. {He} [packed {food}|put on {his} best hat|was up before the sun].
[Today|That {time}], {h} and {his} whole family wanted to {act1} {at}. [They had packed {food}|They had talked about it for days].
"Tomorrow we will {act1} {at}," {g} had said, and {h} [had hardly slept|could think of nothing else].
= storm.come
Just when {h} [opened the door|had one shoe on], there was a [rumble|flash|bang]. [The sky turned the color of slate.|The first drops were as big as plums.] "[It will be over in a minute|Wait for me, sun]," <said:h>. But it was not over in a minute. [It was not over in an hour, either.|It only got worse.]
But [look at that|oh no]! [Dark|Big gray|Black] clouds came over the [hill|roofs|trees]. [Drip, drop|Plip, plop|Splish, splash]! Soon it [poured|rained in buckets|rained so hard that nobody could see the road]. "[It is not fair|The day is ruined|Stupid weather]," <saysad:h>.
But then the [wind|storm] began to [howl|blow|roar]. [It bent the trees|It rattled the windows|It blew hats down the road]. "[We must stay inside|Quick, come in|Close the windows]," <said:g>. {h} [pressed {his} nose to the glass|kicked the door|sat on the floor and sulked].
= storm.in
["Shall we make our own sunshine?" <asks:g>|"[I know a game for days like this|We can have fun inside, too]," <said:g>|"[I know a game for days like this|We can have fun inside, too]," <said:g>]. They [built a cave out of blankets|made paper boats|had a picnic on the floor|turned the table into a ship]. They ate {food} and [pretended to be pirates|told ghost stories|sang louder than the storm|counted the seconds between the gusts]. [<glad:h>|Time flew by.]
<idea:h> {He} [fetched all the pillows|made a puppet from a sock|pulled a big box to the window|drew {place} on a huge sheet of paper]. "[Now we can play inside|This is our {place_noun}|Come in, {g_call}]," <sayglad:h>. {G} [laughed|crawled in too|brought {food}]. [They played all {time}|It was almost as good as the real thing].
= storm.inf
There was a knock. It was {f_ref}, wet from head to toe. "[If we cannot go out, let us play here|I ran all the way|I did not want to be alone]," <said:f>. They [dried off by the fire|drank hot milk|put on dry socks] and then they [built a cave out of blankets|played shop|made a band with pots and spoons|raced drops on the window]. [<glad:h>|<glad:f>] [The rain sounded like applause.|They forgot all about the weather.]
= storm.after
[Later|At noon|Toward evening], the [clouds|rain clouds|dark clouds] went away. [A rainbow stood over {place}|The whole world was clean and shiny|Big puddles waited for boots]. "[Come on|Look|Now we can go out]!" <sayglad:h>. //
When [it was over|the sky was clear again], {h} [did not even notice|did not want to stop playing|was almost sad]. ["Can we do that again tomorrow?" {he} asked|"[I hope it rains again|That was the best day]," {he} said|"[I hope it rains again|That was the best day]," {he} said]. //
= storm.lesson
[a bad day|bad weather] can turn into a good one
[fun does not need sunshine|you can be happy in any weather]
it is no use to be angry at the [rain|sky|weather]
a change of plans can be [the start of a new game|a gift]
[good company|a good idea] is better than good weather

# ---- building something ----
= build
<open> <maybe> // <build.want> // <build.start> <air> // <build.wrong> // <build.fix> // <proud:h> <moral:build.lesson> [<bye>|]
{h} and {f_ref} were {act1_ing} {at}. It was a {weather} {time}. <build.want2> // <build.start> // <build.wrong> <air> // <build.fix> // <moral:build.lesson> [<bye>|]
= build.want
One {weather} {time}, {h} and {f_ref} [met {at}|were {act1_ing} {at}|had nothing to do]. "[Let us build {proj_a}|We could make {proj_a}|I want to make {proj_a}]," <said:h>. "[Yes|Good idea|I always wanted one]," <said:f>.
= build.want2
["What shall we do now?" <asks:f>|"[I am bored|I have an idea]," <said:f>|"[I am bored|I have an idea]," <said:f>]. "[Let us build {proj_a}|We could make {proj_a}]," <said:h>.
= build.start
{f} made a list: {mat1}, {mat2}, {mat3}. It took them until [noon|lunch] to find it all. [One thing was {spot1}, another {spot2}.|They also found <np>, but they did not need it.] Then the work began. {h} [measured and marked|held things straight], and {f} [hammered and tied|did the heavy part].
[First they needed|They looked for|They got] {mat1}, {mat2}, and {mat3}. {f} [carried|brought|found] the {mat1_n}, and {h} [looked after|found|brought] the {mat2_n}. [They worked like ants|They worked all {time}|It was hard work|Soon they had dirty {hands} and red cheeks].
{h} [drew a plan in the dirt|knew just how to begin]. {f} [got|went to get] {mat1} and {mat2}. "[We also need|Do not forget] {mat3}," <said:h>. They [pushed|pulled] and [lifted|carried] and [sang|puffed] as they worked.
= build.wrong
At noon it looked good. At one o'clock, {proj_bad}. At two o'clock, {proj_bad} again. ["Why does it not stay?" <asks:f>|"[We will never finish|I am tired of this]," <saysad:f>]. {h} [kicked a pebble|did not know|looked at the mess].
But [something was wrong|there was a problem|it was not so easy]: {proj_bad}. They [tried it once more|tried again and again], but {proj_bad}. "[It is your fault|You did it wrong|You are not helping]!" <exclaim:h>. "[No, it is yours|I did what you told me|Then do it yourself]!" <exclaim:f>. [They did not speak for a while|They turned their backs on each other].
Everything went well until {proj_bad}. "[Oh no|Not again|All that work]!" <wail:f>. [<sad:h>|<angry:h>] They [wanted to give up|sat down and stared at it|did not know what to do].
= build.fix
<then>, {g} came by. ["May I have a look?" {g_he} asked|"[What a fine start|That looks like hard work]," {g_he} said|"[What a fine start|That looks like hard work]," {g_he} said]. "What if [one of you holds it while the other one works|you start from the bottom|you make it wider below]?" [They looked at each other|They had not thought of that]. "[Let us try|That could work]," <said:f>. This time it [worked|held|went well]. The {proj} was [done|ready|finished]!
<idea:h> "[You hold it, and I will tie it|We need more {mat1_n}|Let us start at the bottom]," {he} said. {f} [helped|nodded|did just that]. [Slowly|Piece by piece|Bit by bit], it got better. <atlast>, the {proj} was [done|ready|finished]. [It was a bit crooked, but it was theirs|It looked wonderful|They danced around it].
"[I am sorry I yelled|Sorry|I am sorry about the fight]," <said:f>. "[Me too|I am sorry too]," <said:h>. They [put their heads together|took a break and ate {food}|looked at it again with fresh eyes]. "[The {mat2_n} should go there|We forgot the {mat3_n}]," said {f}. [And it worked|It was that simple]! Soon, the {proj} was [done|ready|finished].
= build.lesson
[two can do more than one|many hands make light work]
it is better to [fix a problem than to fight about it|work together than to blame each other]
[good things take time|a good plan needs patience]
you can learn from [every mistake|what goes wrong]
things you make [yourself|with a friend] are the best

# ---- making a friend ----
= friend
<open> But {he} [was lonely|had no one to play with|had nobody to talk to]. // <outing> <friend.see> // <friend.try> <air> // <friend.talk> // <friend.end> <moral:friend.lesson>
<open> <maybe> One {time}, [a new family moved in next door|someone new came to town]. // <friend.see> // <friend.try> <air> // <friend.talk> // <friend.end> <moral:friend.lesson> [<bye>|]
= friend.see
There {he} saw {f_kind_a}. {f_He} [sat all alone|was {act3_ing}|was looking at the ground|was playing with <junk>] and [looked lonely|did not look up|did not say anything].
[Behind the fence|By the road|Near the gate] stood {f_kind_a}. {f_He} had [big eyes|a shy smile|a scarf in many colors|a bag full of books] and [did not know anyone|did not speak a word|looked at {his} shoes].
= friend.try
"[Do you want to {act1}|Would you like some of this|Is this yours]?" <asks:h>, and {he} held out <np>. {F_new} shook {f_his} head. {h} went home, but the next {time} {he} came again. This time {he} brought {food} and {his} {o_adj} {o}.
"[Hello|Hi]," <said:h>. But {f_new} [only looked away|hid behind a tree|did not answer]. {h} [did not give up|thought that {f_new} might be shy|sat down not too far away]. {He} [started to hum a song|drew a funny face in the dirt|took out {his} {o_adj} {o}|unpacked {food}].
{h} wanted to say hello, but {he} was [shy|too shy|afraid]. "[What if {f_he} does not like me|What should I say]?" {he} thought. {He} [took a deep breath|walked around in a circle|counted to ten]. Then {he} [waved|held out {his} {o_adj} {o}|smiled|offered {food}].
= friend.talk
"[I like that|That looks nice|That is funny]," said {f_new} [after a while|in a small voice]. ["Do you want to try?" <asks:h>|"[It is yours if you want to play|Come and see]," <saykind:h>|"[It is yours if you want to play|Come and see]," <saykind:h>]. "I am {h}. What is your name?" "I am {f}." [Then they both smiled.|{h} smiled too.] They [found out that they both loved {act1_ing}|talked about {see1}|talked and talked].
"[I am new here|I do not know anybody here|I thought nobody wanted to play with me]," said {f_new}. "My name is {f}." "[Then we can be new friends|I want to play with you|You know me now], {f}," <said:h>. "I am {h}. [Do you like to {act1}|Shall we {act1}|Do you want to {act1} with me]?" {f_poss} eyes [lit up|shone]. "[Yes|I love that|That is my favorite thing]!" {f_he} said.
= friend.end
They [shared {food}|traded <np> for <np>|gave each other secret names]. {f} [laughed for the first time|talked like a waterfall], and {h} [listened|laughed, too]. "[I am glad you came to me|Now I like it here|I was so alone before]," <said:f>. [<glad:h>|<glad:f>] //
All {time}, they [{act1_ed}|{act1_ed} and {act2_ed}] {at}. When it was time to go home, {f} said, "[See you tomorrow|Please come back|Today was the best day since we moved]." <glad:h> //
Soon they [laughed|chatted] as if they had known each other [forever|for years|all their lives]. {h} showed {f} [{place}|{see1} and {see2}|{his} secret path]. {f} showed {h} [how to {act3}|a funny dance|a secret handshake]. [<glad:h>|<glad:f>] //
= friend.lesson
a [smile|kind word|simple hello] can be the start of a friendship
shy people [just need a bit of time|often wait for someone to say hello]
it is [brave|good] to take the first step
new friends are [everywhere|closer than you think]
[you should be kind to those who are new|nobody should sit alone]

# ---- a plant; patience ----
= plant
<open> <maybe> // <plant.get> // <plant.wait> <air> // <plant.more> // <plant.grow> // [<proud:h>|<glad:h>] <moral:plant.lesson> [<byeg>|]
{h} was {age} years old, and {he} [hated to wait|wanted everything right away|could not wait for anything]. // <plant.get> // <plant.wait> <air> // <plant.more> // <plant.grow> // <moral:plant.lesson>
= plant.get
One {weather} {time}, {g} gave {him} {seed}. "[Put it in the ground and give it water|If you care for it, it will become a {plant}|There is a {plant} sleeping in it]," <said:g>. {h} [dug a hole|made a little hole with {his} finger|looked for a sunny spot] <bed> and [put it in|tucked it in like a baby].
One {time} in {season}, {h} found {seed} {spot1}. "[What is this|What will it be]?" {he} asked. "[A {plant}, if you plant it|Wait and see|Put it in a pot and find out]," <said:g>. So {h} [planted it|covered it with soft dirt|gave it a good drink].
= bed
[by the fence|behind the {home}|under the window|next to the steps|in a corner of the garden|near the well|between two stones|in a big clay pot]
= plant.wait
{h} put a [sign|stick|ring of pebbles] there so that nobody would step on it. {He} sat beside it [all {time}|until dinner]. "[Grow, please|I am waiting|Hello down there]," {he} said to the dirt. [The dirt said nothing|An ant came, but no leaf]. "[Rome was not built in a day|You cannot hear it, but it hears you|Even an oak was small once]," <saykind:g>.
The next {time}, {he} ran out to look. [Nothing|There was only dirt]! {He} looked [every morning|three times a day|before and after lunch]. Still nothing. ["Why does it take so long?" <asksad:h>|"[It is broken|It will never grow]," <saysad:h>|"[It is broken|It will never grow]," <saysad:h>]. "[Good things take time|It is working under the ground|You cannot see it, but it is growing]," <saykind:g>.
{He} [watered it|sang to it|talked to it] [every day|every evening]. One day went by. Two days went by. A whole week went by. [Nothing happened|The dirt was just dirt]. {h} [wanted to dig it up|wanted to give up|stamped {his} {foot}]. "[Wait|Patience], {h}," <said:g>. "[It needs sun, water, and time|A seed has its own clock]."
= plant.more
Then, one {weather} {time}, there was [something green|a tiny green tip|a small green hook]! <glad:h> But [a snail wanted to eat it|a cold wind bent it|the sun was too hot for it|a crow landed right next to it]. {h} [built a little fence|put a jar over it|stood guard all day|gave it shade with an umbrella].
<sudden>, the dirt [cracked|moved]. A [pale|tiny|thin] leaf came out. "[Hello, little {plant}|It is alive|{g_call}, come quick]!" <sayglad:h>. Every day {he} [pulled the weeds|brought water|measured it with a stick], [even when {f} called {him} to play|even when {he} was tired|rain or shine].
= plant.grow
It grew [and grew|higher and higher|past {his} knees]. <atlast>, it was there: {plant_gift}! {F_ref} came to see it. "[Did you do that|How did you do that|Is it really yours]?" <asks:f>. "[I waited|It did it by itself. I only helped|Water, sun, and a lot of waiting]," <said:h>.
Weeks went by. [The little plant got tall|It had more leaves every day]. And when {h} had almost [forgotten to be impatient|stopped counting the days], it gave {him} {plant_gift}. {He} [called everyone|gave some to {f_ref}|showed it to {g}|looked at it for an hour].
= plant.lesson
good things [take time|come to those who wait]
[patience|care] makes [things|everything] grow
a [small seed|little thing] can become something big
you have to [take care of|look after] living things every day
[waiting is hard, but it is worth it|you cannot hurry a seed]

# ---- getting lost ----
= astray
<open> <maybe> // <outingg> <astray.off> // <astray.lost> <air> // <astray.help> // <astray.home> <moral:astray.lesson>
<open> <maybe> // <outing> <astray.off> // <astray.lost> [<aside> |]// <astray.help> // <astray.home> <moral:astray.lesson>
= astray.off
"[Stay close|Do not go too far|Stay where I can see you]," {g} had told {him}. But then {h} saw <astray.lure>. {He} [followed it|ran after it] [a little way|around the corner|step by step], and then a bit farther.
{h} was [{act1_ing}|looking at {see1}|counting {his} steps] when {he} saw <astray.lure>. {He} [forgot everything|did not look back|just had to follow it].
= astray.lure
a [blue|white|golden|bright red] [balloon|bird|feather in the wind|leaf that danced]
a <size> <hue> [rabbit|cat|frog|fox|squirrel]
a [balloon|paper kite|big soap bubble] that floated [away|by|over the path]
= astray.lost
{h} [turned left, then right, then left again|walked in a circle]. [There was <np> that {he} had never seen before.|Even the sky looked different.] "[Did I come this way|Was this tree here before|Which way did I come from]?" <asks:h>. <scared:h>
When {he} [looked up|stopped|turned around], [nothing looked the same|everything was strange|{he} did not know where {he} was]. {He} called, "[{g_call}|Hello|Is anybody there]!" Nobody answered. <scared:h> [<sad:h>|]
<sudden>, {he} was all alone. [All the paths looked the same|The trees were taller here|It was so quiet]. ["[Where am I|Which way is home]?" <asksad:h>|"I am lost," <saysad:h>]. <scared:h>
= astray.help
Then {he} remembered what {g} had said: "If you are lost, [stay where you are and call|sit down and wait|do not run. Sing, and I will hear you]." So {h} sat down {spot1} and [sang {his} favorite song|called every few minutes|counted to one hundred]. [A {a_hue} {a} sat down beside {him}|It felt very long]. [<aside>|]
A {a_hue} {a} [came out from|was sitting] {spot3}. ["[Are you lost|Why are you crying]?" {a_said} the {a}|"You look lost," {a_said} the {a}]. "I cannot find my way," <said:h>. "[I know the way|Follow me|I will show you the way]," {a_said} the {a}. "[I have to go that way too|I have seen you at {place} before]." They went [over the hill|past a well|along a stone wall|through the ferns] and [down a narrow path|across a small bridge|around a big rock|between tall trees].
{He} [wiped {his} eyes|took a deep breath]. "[Think, {h}, think|I must keep calm]," {he} told {himself}. {He} remembered [{see1}|{see2}|<junk>]. [Yes, that was the way|{He} had passed here before|That was where {he} had come from]! From there {he} [followed {his} own footprints|heard the bells of the village|knew the path].
= astray.home
<then>, {he} heard a voice. "{h}! {h}!" It was {g}. {h} [ran|flew] into {g_his} arms. "[I was so worried|There you are|I looked for you everywhere]," said {g}. "[I am sorry|I will stay close now|I will never run off again]," <said:h>. //
<atlast>, {he} saw {g} [running toward {him}|waiting by the road|with a lantern]. They hugged [for a long time|so tight that it almost hurt]. "[You did the right thing|I am so glad I found you|My brave {h}]," <said:g>. //
= astray.lesson
it is [safer|better] to stay close [to those you love|when you are in a strange place]
[if you are lost|when you are lost], you should [stay calm|stay in one place|not run]
[you should listen to good advice|a warning is a kind of love]
home is the best place of all

# ---- baking ----
= bake
<open> <maybe> // <bake.want> // <bake.mix> <air> // <bake.wrong> // <bake.end> // <moral:bake.lesson> [<byeg>|]
<open> <maybe> // <bake.want> // <bake.mix> <air> // <bake.burn> // <bake.end> // <moral:bake.lesson2> [<byeg>|]
["What is that smell?" asked {h}|"[I am hungry|Something smells good]," said {h}|"[I am hungry|Something smells good]," said {h}], a {trait} {kind}. It was a {weather} {time} in {season}. // <bake.want> // <bake.mix> <air> // <bake.wrong> // <bake.end> // <moral:bake.lesson>
= bake.want
[One {weather} {time}|That {time}], {h} wanted to make {dish} for [{g}|{f_ref}|the whole family]. ["How hard can it be?" {he} asked|"[I can do it all by myself|It will be a surprise]," {he} said|"[I can do it all by myself|It will be a surprise]," {he} said].
"[Would you like to help me make {dish}|Shall we make {dish}]?" {g} [asked|said] one {time}. "[Yes|Oh yes|Of course]!" <sayglad:h>. {He} [put on an apron|washed {his} {hands}|climbed on a chair].
= bake.mix
{h} read the page out loud. "Take {ing1}. Add {ing2}. Stir in {ing3}." {He} [spilled half of it|counted on {his} {hands}|measured it all with a teacup] and [hummed|whistled] as {he} worked. Soon there was a white cloud in the kitchen.
[First came|They needed|{He} took] {ing1}, then {ing2}, and then {ing3}. {h} [stirred|mixed|stirred and stirred] until {his} [arm hurt|nose was white|spoon got stuck]. [Some of it landed on the floor|A bit of it landed on the cat|It splashed on the wall].
{h} put {ing1} [in a big bowl|in a pot]. {He} added {ing2} and {ing3}. "[One for the bowl and one for me|Just a little taste]," {he} said [with a grin|and licked the spoon].
= bake.wrong
When [it was done|the time was up], {h} took a [bite|taste]. "[Yuck|Ugh|Oh no]!" {he} said. [{He} had forgotten the {ing4}|There was no {ing4} in it]! [<sad:h>|]
= bake.burn
But then {he} [went out to {act1}|{act1_ed} for a while|began to {act2}], and {he} forgot the [time|stove]. [A black cloud came out of the oven|Something smelled burnt|It was as black as coal]! "[Oh no|Help|My {dish_noun}]!" <wail:h>.
= bake.end
{G} [tasted it too|came in and sniffed] and did not [scold|laugh]. "[My first one was even worse|Every cook starts like that|We can fix that]," <saykind:g>. They [started again from the beginning|made a new one together|read the page once more, line by line]. This time it [was perfect|smelled like heaven|came out just right]. {F_ref} [ate three helpings|asked for more|licked the plate]. [<proud:h>|<glad:h>]
"[I am hungry|Let us see|That smells interesting]," said {f_ref} and took a [spoon|bite]. {f} [chewed slowly|made a funny face|coughed]. "[It is different|Well, it is crunchy|I like the color]," {f_he} said. Then they all began to laugh. {G} helped {h} to [try again|make it better], and this time [nothing was missing|everything was right]. [<glad:h>|<proud:h>]
= bake.lesson
it is good to [read everything twice|take your time|look twice]
even a mistake can [end in a laugh|taste sweet in the end]
[help makes the work easy|cooking is more fun together]
what is made with love [tastes best|is the best gift]
= bake.lesson2
you should [keep an eye on the oven|finish one thing before you start the next]
[even a mistake can end in a laugh|you can always start again]
[help makes the work easy|cooking is more fun together]

# ---- a present ----
= gift
<open> <maybe> [Soon|Tomorrow|On Sunday], it was {f_poss} birthday. {f} was {his} {f_role}. <gift.think> // <gift.seek> // <gift.give> <air> // <moral:gift.lesson> [<bye>|]
<open> <maybe> It was almost {g_poss} birthday. <gift.think> // <gift.make> // <gift.giveg> <air> // <moral:gift.lesson> [<byeg>|]
= gift.think
Everybody [talked about presents|had a present already]. {h} had none. {He} [made a list|counted {his} coins], but it was no use. "[It should not be big|I want it to be a surprise|Not <np>, and not <np>]," {he} thought.
["What can I give?" {h} [thought|said]|"[I need a present|I have no money for a present]," {h} [thought|said]|"[I need a present|I have no money for a present]," {h} [thought|said]]. {He} looked in {his} box. There was only <junk> and <junk>.
{h} wanted to give [something special|the best present of all|something nobody else would give]. But {he} had only [two coins|one coin|three small coins and a button].
= gift.seek
At the market, {he} saw {o_a}. {o_It} {o_was} [beautiful|just right|perfect for {f}]. But {o_it} cost [too much|ten coins]. {h} [did not give up|thought hard]. {He} [swept the steps for the {person1}|carried bags for the {person2}|washed a muddy cart|sold lemonade by the road] until {he} had [enough|ten coins]. "[I will take the {o}, please|Please wrap the {o}]," {he} said.
{h} loved {his} own {o_adj} {o} dearly. {f} loved {o_them} too. {h} [looked at the {o} for a long time|could not sleep that night|thought about it all day]. Then {he} [wrapped the {o} in paper|put a bow on the {o}|put the {o} in a box].
= gift.give
On the big day, {f} opened the box. "[Oh! {O_a}|For me]!" {f_he} [cried|shouted]. <glad:f> ["How did you know?" <asks:f>|"[It is the best present ever|I will keep {o_them} forever]," <said:f>|"[It is the best present ever|I will keep {o_them} forever]," <said:f>]. [<glad:h>|{h} was just as happy as {f}.]
There were [many|big] presents on the table. {h} [held out {his} little box|was a bit shy]. But when {f} saw the {o}, {f_he} [hugged {h} first|could not say a word|put everything else aside]. "[This is the one I like best|You remembered what I like|Thank you, dear {h}]," <said:f>. [<glad:h>|<proud:h>]
= gift.make
<idea:h> {He} [went to {place} and looked for pretty things|took paper, glue, and {his} best colors|locked the door and worked all {time}]. {He} made [a card with a drawing of {see1}|a crown of leaves|a picture of the whole family|a necklace of seeds|a book with six pages|a song with four verses]. [It was not perfect|The corners were crooked|It took a long time], but it was made with love.
= gift.giveg
"[Happy birthday|This is for you|I made it myself], {g_call}," <said:h>. {G} [looked at it for a long time|had tears in {g_his} eyes|put it in the middle of the table]. "[It is the most beautiful present I ever got|You cannot buy such a thing|You made this for me]," {g_he} said. <hugs:g> [<proud:h>|<glad:h>]
= gift.lesson
the best gifts come from the heart
it is not the price that makes a present [good|dear]
giving [makes you as happy as getting|is a joy]
[a gift with love in it|something you made yourself] is worth more than gold

# ---- a race, and how to lose ----
= race
<open> <maybe> {He} [could run very fast|wanted to be the fastest of all|always wanted to be first]. But {f_ref} was [fast|quick], too. // <race.start> // <race.brag> <air> // <race.lose> // <moral:race.lesson1> [<bye>|]
<open> <maybe> {He} [could run very fast|wanted to win a race, just once]. {F_ref} was [fast|quick], too. // <race.start> // <race.fall> <air> // <race.tie> // <moral:race.lesson2> [<bye>|]
There was a [big race|great race|race] {at} [every {season}|that {time}]. {h}, a {trait} {kind}, [wanted to win it|had trained for weeks]. So did {f_ref}. // <race.start> // <race.mid2> <air> // <race.lose> // <moral:race.lesson> [<bye>|]
= race.start
"[To the gate and back|Once around {place} and back|Down to the river and back]," said {f}. {h} [tied {his} shoes twice|stretched {his} legs|rubbed {his} knees]. {G} [raised a scarf|held up a spoon]. "[Ready? Steady? Go|On your marks, get set, go]!"
One {weather} {time}, {h} and {f} [stood at the line|met {at} for a race|got ready to race]. "[I will win|You cannot beat me|I am the fastest]," <said:h>. "[We will see|Maybe|Let us find out]," <said:f>. "One, two, three, go!" [called|shouted] {g}.
= race.brag
{h} [shot ahead|ran like the wind|was in front]. {He} looked back and laughed. "[I have plenty of time|{f} is so slow]," {he} thought. {He} stopped [to {act1}|to eat {food}|to look at {see1}|for a little nap]. Meanwhile, {f} ran on and on, [step by step|without a break|never too fast and never too slow].
= race.fall
They ran past {see1} and past {see2}. First {h} was ahead, then {f}. <sudden>, {f} [tripped over a root|slipped in the mud|fell over a stone]. "[Ouch|My knee]!" {f_he} cried. {h} [could see the finish|was so close to winning]. But {he} [turned around|stopped]. ["Are you hurt?" <asks:h>|"[Take my {hand}|Come, lean on me]," <said:h>|"[Take my {hand}|Come, lean on me]," <said:h>].
= race.mid2
They ran past {see1} and jumped over <junk>. {h} ran as fast as {he} could. {His} [side hurt|legs burned|breath was short]. But {f} was [just a bit faster|always one step ahead].
= race.lose
In the end, {f} [won by a nose|crossed the line first|was the winner]. <sad:h> But then {he} [took a deep breath|looked at {f}] and held out {his} {hand}. "[Well done|You ran well|Good race], {f}," {he} said. "[Thank you|You too|I only won because you made me run so fast]," <said:f>. "[Let us race again tomorrow|Let us share the prize|Come, I will give you half of my lunch]."
= race.tie
They crossed the line [at the same time|side by side|hand in hand]. [Everybody cheered|The crowd clapped]. "[We both won|It is a tie]!" <sayglad:f>. [<glad:h>|The prize was {food}, and they shared it.]
= race.lesson
[a good loser is a winner too|losing is not the end of the world]
it is [fun to run, even if you do not win|good to cheer for others]
it is fine to lose when you did your best
= race.lesson1
[you should never laugh at those who are slow|slow and steady can win]
[bragging|being proud too soon] does not make you faster
[you should finish first and brag later|it is not over until it is over]
= race.lesson2
[it is more important to be a good friend than to win|a friend is better than a medal]
helping [a friend|someone] is the best way to win
winning is more fun [together|side by side]

# ---- bedtime ----
= night
<open> [But tonight|One {weather} night in {season}|One night], {he} could not sleep. // <night.why> // <night.try> <air> // <night.help> // <night.end>
It was [late|dark|very late]. The moon [shone|looked] into the {home} of {h}, a {trait} {kind}. // <night.why> // <night.try> <air> // <night.help> // <night.end>
= night.why
{He} was too [hot|cold|excited|hungry]. {He} heard [the clock|a dog far away|the stairs creak|the wind in the chimney] and saw [a shadow that looked like <np>|two green lights|the curtain move]. {h} [sat up|held {his} breath].
[There was a noise|Something went tap, tap, tap|Something scratched at the window|A shadow moved on the wall]. <scared:h> {He} pulled the blanket [over {his} head|up to {his} nose].
{He} [turned left and turned right|tossed and turned|lay on {his} back and then on {his} belly]. {He} was thinking of [tomorrow|{place}|{act1_ing}|{see1}|a thousand things].
{His} {o_adj} {o} {o_was} not [in the bed|on the pillow]. {h} could not sleep without {o_them}.
= night.try
{He} [counted sheep, but they ran away|counted to fifty, twice|hummed a song]. {He} [drank a sip of water|fluffed {his} pillow|put on warm socks]. [Nothing helped|It was no use|{He} was still wide awake]. "{g_call}?" {he} [called|whispered].
"[Are you asleep|Is anyone awake]?" {h} [whispered|asked]. [Only the clock answered|The <critter> outside did not answer|Nobody said a word]. So {he} got up [on tiptoe|in {his} bare {feet}] and went to {g}.
= night.help
"[May I sit with you|Is there room for me]?" <asks:g>, and {g_he} sat down on the bed. "Let us make a dream for you. What shall be in it?" "I want {food}," said {h}, "and <np>, and {f}, my friend." "[Good|That is a fine dream]," said {g}. "And {see1}?" "And {see2}," said {h}, and {he} yawned.
{G} [came with a candle|rubbed {g_his} eyes|was not angry]. "[Let us see|Come, we will look together|Tell me what is wrong]," {g_he} said. They [looked out of the window|listened together|sat by the window]. [It was only a branch|It was only a {a_hue} {a}|It was only the wind], and the stars were [bright|like silver dust]. {G} [told {him} a story about {see1}|sang an old song|made {him} a cup of warm milk].
["Shall I tell you a story?" <asksoft:g>|"[Close your eyes and think of {place}|I know a cure for that]," <saysoft:g>|"[Close your eyes and think of {place}|I know a cure for that]," <saysoft:g>]. "[Think of three good things from today|Tell me what you did today|Listen to your own breath]." {h} thought about [{act1_ing}|{food}|{see1}]. Then {he} thought about [{act2_ing}|{f}, {his} friend|{see2}]. {His} eyes got [heavy|heavier and heavier|small].
= night.end
Before {g} [had finished|could say good night], {h} was [fast asleep|dreaming|snoring softly]. {G} [kissed {him}|tucked {him} in|left the door open a little]. [Outside, the wind was still|The moon smiled|In {his} dream, {h} {act3_ed}|"Sleep well, my little {kind}," {g_he} whispered].
"[Good night, moon|Good night, {g_call}|Now I can sleep]," said {h} [and yawned|with {his} eyes closed]. And [a moment later|before the clock struck], {he} was asleep. [In the morning, {he} could not remember what had been wrong.|{He} dreamed of {act3_ing}.|All was quiet and good.]

# ---- a wish ----
= wish
<open> <maybe> // <outing> <wish.find> // <wish.wish> <air> // <wish.bad> // <wish.back> <moral:wish.lesson> [<byeg>|]
= wish.find
{Spot1}, {he} found [an old lamp|a blue stone|a tiny key|a glowing shell|a golden acorn|a dusty bottle|a silver bell]. {He} [touched it|rubbed it|picked it up]. [Poof|Puff|Whoosh]! A [fairy|tiny wizard|friendly ghost|talking {a}|little man with a green hat] [stood|appeared] before {him}. "You have [one wish|one wish, and only one]," it said.
A [fairy|talking fish|tiny dragon|{a_hue} {a} with a crown] was stuck {spot1}. {h} [helped it out|set it free]. "[Thank you|You saved me]," it said. "Now you may make one wish."
= wish.wish
"I wish I [could fly|were as tall as a house|could talk to animals|never had to go to bed|could eat {food} every day|were invisible|were a king|had a hundred toys]!" <sayglad:h>. "[Are you sure|Will you not be sorry|Is that really what you want]?" it asked. "Yes!" said {h}. [There was a flash|The air sparkled|It went ping]. [<glad:h>|]
= wish.bad
The first hour was like a [party|dream|feast]. The second hour was [all right|a bit long]. In the third hour, {h} wanted to [tell {f_ref} about it|{act1}|sit on {g_poss} lap], and it was not possible anymore. <sad:h>
At first, it was [wonderful|great fun|the best day ever]. {He} [ran to show {f_ref}|laughed out loud|could not believe it]. But [soon|by evening|after an hour], it was not so good. [{He} missed {his} own bed|Nobody could play with {him}|{F_ref} was afraid of {him}|It was lonely|{His} belly hurt|Everyone stared at {him}]. <sad:h>
[For an hour|For a while], {h} was [very happy|as happy as can be]. Then {he} wanted to {act1} with {f_ref}. But [it did not work anymore|{f} did not know {him}|{f} ran away]. <sad:h> "[I want to be just {h} again|I do not like this wish]," {he} said.
= wish.back
{He} [ran back|went back] and [called|knocked three times]. "[Please take the wish back|I want everything to be as it was]," <said:h>. "[That is what they all say|I thought so|You are wise]," it [laughed|said]. [There was another flash|Ping], and {h} was just {h} again. {He} ran home, and {food} had never tasted so good. [<glad:h>|] //
"[I want to be the old {h} again|Undo it, please]," {he} begged. "[Only if you give me your {o}|Only if you can make me laugh|Only if you say please three times]," it said. {h} did [it at once|just that]. [Puff|Plop]! [Everything was as before|{He} was back home]. [<glad:h>|] //
= wish.lesson
[you should be careful what you wish for|not every wish makes you happy]
[it is good to be yourself|the best thing you can be is yourself]
[the best things cannot be wished for|happiness is often right at home]
more is not always better

# ---- a sick friend ----
= sick
<open> <maybe> {He} had {f_ref_a}. // <sick.ill> // <sick.bring> <air> // <sick.visit> // <moral:sick.lesson> [<bye>|]
{h} waited for {f_ref} {at}. It was a {weather} {time}, and they wanted to {act1}. But {f} did not come. // <sick.ill2> // <sick.bring> <air> // <sick.visit> // <moral:sick.lesson>
= sick.ill
One {time}, {f} was [sick|ill|in bed with a cold]. {f_His} [nose was red|head was hot|throat hurt], and {f_he} could not {act1}. <sad:h>
= sick.ill2
"{f} is [sick|in bed with a fever|ill]," <said:g>. "[No games today|{f_He} has to stay in bed]." <sad:h>
= sick.bring
["What would I like if I were sick?" <asks:h>|"[I want to cheer {f_him} up|We must do something]," <said:h>|"[I want to cheer {f_him} up|We must do something]," <said:h>]. {G} helped {him} [make|cook] a pot of soup. {h} also packed {his} {o_adj} {o} and [a funny drawing|a leaf in the shape of a heart|<junk>, just for fun].
{h} [went to the kitchen|got a basket]. In went {food}, a [thick book|warm blanket|bunch of flowers], and {his} own {o_adj} {o}. [It was heavy, but {he} did not mind|The road was long, but {he} hummed a song].
= sick.visit
{h} was only allowed to stand at the window. So {he} [made faces|held up big letters|put on a puppet show with {his} {o}] until {f} [laughed so hard that {f_he} forgot to cough|clapped]. {He} left {food} on the step. "[Come again tomorrow|You are the funniest doctor]!" called {f}. [<glad:h>|On the fifth day, {f} came out, and they {act1_ed}.]
{f} lay in bed and looked [pale|bored|very small]. "[Surprise|Knock, knock]!" <sayglad:h>. {f} [sat up|smiled for the first time that day|blew {f_his} nose and laughed]. They [played with the {o}|read a story about {see1}|told riddles], and {f} ate [everything|two bowls|a little]. "[You are the best medicine|I feel better already|Thank you for coming]," <said:f>. [<glad:f>|] [Three days|A week] later, {f} was well again, and they {act1_ed} {at}.
"[Who is there|Is that you, {h}]?" asked {f} in a [weak|hoarse|tiny] voice. {h} [put the basket on the bed|opened the door a crack]. "[I brought you my {o}|I will stay with you]," {he} said. They [talked until it got dark|made shadow animals on the wall|listened to the rain]. [<glad:f>|The fever went down that very night.] Then, [a week|four days] later, {h} had the cold. And who came with {food}? {f}, of course!
= sick.lesson
[a visit is good medicine|laughing helps to get well]
good friends [come in good times and bad|do not forget each other]
[little things can make someone feel better|it is easy to make someone smile]
we should care for those who are sick

# ---- something found that belongs to another ----
= found
<open> <maybe> // <outing> <found.find> // <found.want> <air> // <found.seek> // <found.give> <moral:found.lesson> [<byeg>|]
<open> <maybe> // <outingf> <found.find> // <found.wantf> <air> // <found.seek2> // <moral:found.lesson> [<bye>|]
= found.find
[There|And there], {spot1}, [{o_was} {o_a}|{h} found {o_a}]. {o_It} looked [almost new|very dear|like something from a dream].
<sudden>, {h} stepped on something. It was {o_a}! [Nobody was near|There was no one around].
= found.want
"[I always wanted {o_a}|Now {o_it} {o_is} mine|I am so lucky]," {h} thought. {He} wanted to {o_use}. But then {he} [stopped|had a funny feeling]. ["Who lost {o_them}?" {he} asked|"[Someone must be missing {o_them}|Somebody may be crying now]," {he} said|"[Someone must be missing {o_them}|Somebody may be crying now]," {he} said].
{h} put {o_them} in {his} bag and [went on|ran home]. ["Where did you get {o_them}?" <asks:g>|"{O_is_this} really yours?" <asks:g>]. "[I found {o_them}|It was just lying there]," <said:h>. ["How would you feel if you had lost {o_them}?" asked {g}|"Then someone is looking for {o_them}," said {g}]. <sorry:h>
= found.wantf
"[Let us keep {o_them}|Finders keepers|Lucky us]," <said:f>. {h} [was not sure|shook {his} head|thought about it]. "[But someone may be sad now|{O_it} {o_is} not ours|It would not be right]," <said:h>.
= found.seek
{He} asked the {person1}, but [it was not the right one|the answer was no]. {He} asked the {person2}. "[No, not mine|Sorry, no|Ask down the road]." <atlast>, {he} saw {f_kind_a} {spot3}. {f_He} was [crying|looking under every leaf|walking up and down].
{He} [put up a sign|wrote a note|rang at every door]. "Who lost {o_a}?" it said. [Nobody came the first day|A whole day went by]. Then there was a knock. There stood {f_kind_a}. {f_He} had [red eyes|wet cheeks|a sad face].
= found.give
["Did you lose {o_a}?" <asks:h>|"{O_is_this} yours?" <asks:h>]. "[My {o}|Yes! You found my {o}]!" cried the {f_kind}. {f_His} name was {f}. <glad:f> ["How can I thank you?" <asks:f>|"[You are so honest|I thought I would never see {o_them} again]," <said:f>|"[You are so honest|I thought I would never see {o_them} again]," <said:f>]. [They ended up playing all {time}.|{f} gave {h} {food} as a thank-you.|From then on they were friends.] //
= found.seek2
So they [went from door to door|asked everyone they met|put up a sign]. [It took the whole {time}|At the third door, they had luck]. {Person3_a} [opened|came out] and [smiled|began to cry for joy]. "[My little one lost this|This was a present from my sister|I have looked everywhere for this]! [You are good and honest|Thank you with all my heart|Come in and have {food}]." {f} [looked at {h}|was quiet]. "[You were right|I am glad we gave {o_them} back|This feels better than keeping {o_them}]," <said:f>. [<proud:h>|<glad:h>]
= found.lesson
[it feels good to give back what is not yours|honest people sleep well]
[finding is not the same as owning|what you find may belong to someone else]
[doing the right thing makes you proud|the right thing is not always the easy thing]
an honest heart [finds friends|is a treasure]

# ---- a quarrel ----
= quarrel
<open> <maybe> {His} [best friend|good friend] was {f}. [They were always together|They did everything together]. // <quarrel.why> // <quarrel.alone> <air> // <quarrel.sorry> // <moral:quarrel.lesson> [<bye>|]
{h} and {f} were [best|good|dear] friends. They [{act1_ed}|{act1_ed} and {act2_ed}] [every day|all {season}]. // <quarrel.why> // <quarrel.alone> <air> // <quarrel.sorry> // <moral:quarrel.lesson>
= quarrel.why
One {weather} {time}, {h} told a secret that {f} had told {him}. Soon [everyone|the whole village] knew it. "[How could you|That was our secret|I trusted you]!" <wail:f>. "[It just slipped out|It was such a small secret]," <said:h>. {f} [ran home|did not want to hear it]. <sad:f>
One {weather} {time}, they both wanted {o_a}. "[I saw {o_them} first|It is my turn]!" <exclaim:h>. "No, I did!" <exclaim:f>. They pulled and pulled until [the {o} fell in the mud|they both fell down]. "[I do not want to play with you anymore|You are mean|Go home]!" <exclaim:f>. <angry:h>
One {time}, {h} wanted to {act1}, but {f} wanted to {act2}. "[We always do what you want|Your game is silly|My game is better]," <said:f>. "[That is not true|You never listen|Then play alone]!" <exclaim:h>. <angry:f> They [went home|turned around and left|did not even say goodbye].
= quarrel.alone
The next day, {h} [went to {place}|sat {spot1}|tried to {act1}] all alone. [It was so quiet|It was no fun|There was nobody to laugh with]. {He} saw [{see1}|<junk> that looked like a face|a funny cloud], and {he} wanted to tell {f} about it. But {f} was not there. <sad:h>
{h} [did not want to eat|kicked stones all day]. "[What is wrong|Did something happen]?" <asks:g>. {h} told {g_him} everything. "[Someone has to say sorry first|Friends fight sometimes|It is better to be friends than to be right]," <saykind:g>. {h} [thought about it all night|nodded slowly].
= quarrel.sorry
So {he} [went|ran] to {f_poss} {f_home}. Halfway there, {he} met {f}, who was [coming to see {him}|on the way to {him}]! "I am sorry," they both said [at the same time|in one breath]. Then they laughed. "[First your game, then mine|You can go first|Let us never fight again]," <said:h>. [<glad:f>|They shook {hands} on it.|]
{h} [took {his} best piece of cake|made a card|picked a bunch of flowers] and knocked at {f_poss} door. "[I missed you|I am sorry for what I said]," <saysoft:h>. {f} [opened the door wide|looked at {f_his} {feet}|smiled]. "[I missed you too|I was wrong too|Friends again]," {f_he} said. "[Friends|Yes|Always]!" <exclaim:h>.
= quarrel.lesson
[friends can fight and still be friends|a fight does not have to end a friendship]
[sorry is a small word that can do big things|saying sorry makes you strong]
[being friends is better than being right|it is good to listen to each other]
you should not stay angry for long

# ---- stuck up high; teamwork ----
= stuck
<open> <maybe> // <outingf> {h} brought {his} {o_adj} {o}. // <stuck.up> <air> // <stuck.try> // <stuck.team> // <moral:stuck.lesson> [<bye>|]
= stuck.up
[A gust of wind came|{h} threw too hard|A cheeky crow came by], and up went the {o}, [right into the tallest tree|onto the roof|onto a high branch]. "[Oh no|My {o}]!" <wail:h>.
<sudden>, [the wind|a monkey from the circus|a big bird] took the {o} and [dropped|left] {o_them} [high up in a tree|on top of the old wall|on the roof]. <sad:h>
= stuck.try
They [called it names|whistled|asked it nicely to come down], but of course that did not help. {f} [blew as hard as {f_he} could|climbed on a barrel], and {h} [threw pine cones|swung a rope]. [A pine cone hit <np>|The rope got stuck, too].
{h} [jumped|stretched], but {he} was too [short|small]. {f} threw [a stick|{f_his} shoe|<junk>], and it [got stuck too|came down on {f_his} head|missed]. They shook [the trunk|the ladder], but [nothing moved|only leaves came down]. ["What now?" <asksad:f>|"It is no use," <saysad:f>].
"[I will climb up|Wait here]," <said:f>. {f_He} got [halfway|two steps up] and slid down again. {h} tried with [a long pole|a rope|a rake]. [It was too short|It broke|No luck].
= stuck.team
<idea:h> "[Stand on my back|Get on my shoulders|Let us stack those boxes]," {he} said. {f} climbed up, [wobbled left and right|stretched {f_his} arm], and [reached|touched] the {o}. "[A bit more to the left|Almost|Hold still]!" {f_he} said. [Bump|Plop]! {o_It} came down, [and so did {f}|right into the grass]. [They lay there and laughed.|<glad:h>] <thanks:f>
A {a_hue} {a} had [watched them|listened]. ["Do you need help?" {a_said} the {a}|"I can get it for you," {a_said} the {a}]. [It was small, but it was clever|"You are so small," said {f}]. In no time, it was up there, and [with a push|with a little kick], the {o} came down. <glad:f> {h} gave the {a} some {a_food}. "[Thank you, little friend|Small ones can be great]," <said:h>.
= stuck.lesson
[together we are taller|together you can reach what you cannot reach alone]
even a small friend can be a big help
[two heads are better than one|a good idea is better than strong arms]
there is always [another way|one more thing to try]

# ---- too much of a good thing ----
= greedy
<open> <maybe> [More than anything, {he} loved to eat|{He} was always hungry|And {he} loved sweets]. // <greedy.find> // <greedy.eat> <air> // <greedy.sick> // <moral:greedy.lesson> [<byeg>|]
= greedy.find
One {weather} {time}, {g} made [a whole pot of jam|a tray of cookies|a big cake|twenty buns|a mountain of pancakes] for the [fair|party|neighbors|feast]. "[Please do not touch|One for you now, and the rest is for later]," {g_he} said. [Then {g_he} went out|Then {g_he} left the room].
One {weather} {time}, {h} found a [bush|tree|whole hill] full of [berries|plums|cherries|ripe pears]. "[Take only a few|Leave some for the others|Not too many]," said {f}, {his} friend.
= greedy.eat
At first {he} only [smelled it|looked at it]. Then {he} licked it. Then there was a [small|little] hole, and {he} had to make it even. [Left, right, left, right|Bite by bite], {h} made it even until it was gone. {He} [licked {his} {hands}|hid under the table].
"[Just one|Only a tiny bit|One more will not hurt]," {h} said. Then {he} ate one more. And two more. And then [five|ten|half of them]. [It was so sweet|It tasted so good|{His} {hands} were sticky]. In the end, [nothing was left|there were only crumbs|everything was gone].
= greedy.sick
Soon, {his} belly [began to rumble|was as round as a drum|hurt a lot]. "[Ow, ow, ow|Oh, my belly|I do not feel good]," <saysad:h>. {G} [put {him} to bed|brought {him} a hot water bottle|made {him} bitter tea]. "[What did you eat|Why is your nose blue|What happened]?" {g_he} asked[, but {g_he} already knew|]. <sorry:h> "[I ate it all|I could not stop|I am sorry]," {he} said. [The next day, {h} helped to make new ones, and {he} only took one.|When {he} felt better, {he} said sorry to everyone.|For a week, {he} did not want anything sweet.]
= greedy.lesson
too much of a good thing is [not good|bad for the belly]
[one is often enough|a little bit can be just right]
you should leave some for others
it is wise to [stop in time|listen when someone warns you]

# ---- stage fright ----
= show
<open> <maybe> // <show.plan> // <show.fear> <air> // <show.on> // <proud:h> <moral:show.lesson> [<bye>|]
= show.plan
There was going to be a [show|big show|concert|talent show] in the [barn|town hall|market place|square]. {h} wanted to [sing|dance|tell a joke|read a poem|do a magic trick|play the drum]. {He} [practiced every day|practiced in front of the mirror|did it a hundred times] with {f_ref}.
= show.fear
Behind the curtain, {h} [walked up and down|held on to a chair]. "[What if I fall|What if they laugh|What if I forget it all]?" {he} asked. Then {his} name was called. <scared:h> [The stage was as big as a field|{He} stood there like a post].
Then the [big day|evening] came. [So many eyes looked at {him}|The room was full|{h} peeked through the curtain]. <scared:h> [{His} mouth was dry|{He} forgot every word|{He} could not remember how to begin]. "I cannot do it," <saysoft:h>. [Somebody coughed|It was very quiet].
= show.on
Then {he} saw {f} in the [first row|last row]. {f} [smiled|nodded|made a funny face|held up {f_his} thumb]. {h} [took a deep breath|closed {his} eyes for a moment] and began. [At first {his} voice was small|At first it was a bit wobbly]. Then it got [better and better|stronger]. When it was over, everyone [clapped|stood up and cheered|stamped their feet].
"[Just pretend that we are alone|Look at me|We will do it together]," <said:f>, and {f_he} [came out|took {his} {hand}|stood beside {him}]. [Together they began|So {h} began]. [One mistake happened, but nobody minded|It went like a dream]. The people [laughed and clapped|wanted to hear it again|cheered]. [<glad:h>|]
= show.lesson
it is [normal|fine] to be nervous
one friendly face can [make you brave|chase the fear away]
[courage grows when you use it|you can do more than you think]
[a small mistake does not matter|nobody has to be perfect]

# ---- the grumpy neighbor ----
= grumpy
<open> <maybe> Next door lived {n_full}, who was always [grumpy|cross|angry]. // <grumpy.meet> // <grumpy.kind> <air> // <grumpy.thaw> // <moral:grumpy.lesson> [<bye>|]
= grumpy.meet
"[Be quiet|Go away|Keep out of my garden]!" [called|shouted|growled] {n} [every day|whenever {h} passed by]. One {weather} {time}, {h_poss} {o} [landed in {n_poss} garden|rolled under {n_poss} gate]. "[Nobody dares to go in there|Leave {o_them}|I would not go in]," said {f}, {his} friend. <scared:h>
One {time}, {h} heard [a sigh|someone cough|a strange noise] from {n_poss} house. {He} looked over the fence. {n} was [sitting alone with a cold cup of tea|trying to carry a heavy sack|looking at an old picture].
= grumpy.kind
{h} [thought about it for three days|asked {g} what to do]. Then {he} [left {food} on the step|sang a song under the window|swept the path in front of the house]. The curtain moved. {He} came again the next day with <np>. [The curtain moved again|This time the window opened].
But {h} [knocked|rang the bell|opened the gate]. "[Good {time}|Hello|Excuse me], {n}," {he} said. ["[Would you like {food}|Can I help you with the leaves|Are you all alone]?" {n} [opened the door a crack|frowned|did not say a word for a long time]|"I brought you {food}," {n} [opened the door a crack|frowned|did not say a word for a long time]].
"[Maybe {n_he} is lonely|Maybe nobody is ever nice to {n_him}]," <said:h>. {He} [picked some flowers|took {food}|made a card] and left it at the door. The next day {he} did it again. On the third day, the door [opened|was not locked].
= grumpy.thaw
"[Nobody has asked me that for years|You are not afraid of me|Come in, then]," said {n}. [It turned out that|{h} found out that] {n} [had been a sailor|knew a hundred stories|used to be a clown|could play the fiddle|once had a {kind} just like {him}]. {n_He} [told {him} about the sea|showed {him} old pictures|gave back the {o}|laughed for the first time]. [<glad:h>|Soon, all the children came to listen.]
Then something strange happened. {n} smiled. "[My legs hurt, and that makes me cross|I have been so alone|I forgot how to be friendly]," {n_he} said. From that day, {h} [came every week|helped {n_him} with the garden|read the paper to {n_him}], and {n} [always had {food} for {him}|was never grumpy again|waved from the window].
= grumpy.lesson
[grumpy people are often just lonely|an angry face can hide a sad heart]
[kindness opens every door|a kind word can melt ice]
you should not judge someone too [fast|soon]
a little kindness can change [a whole street|everything]

# ---- do not open it ----
= secret
<open> <maybe> // <secret.box> // <secret.want> <air> // <secret.open> // <secret.end> // <moral:secret.lesson> [<byeg>|]
<open> <maybe> // <secret.box> // <secret.want> <air> // <secret.keep> // <secret.end2> // <moral:secret.lesson2> [<byeg>|]
= secret.box
One {weather} {time}, {g} put a [big box|wooden chest|small red box|covered basket|strange bag] [under the stairs|on the shelf|in the corner]. "[Do not open it|Please do not look inside|It stays shut until Sunday]," {g_he} said. [It had a bow on it|Something moved in it|It had tiny holes in it].
= secret.want
{h} [made up a game: do not look at the box|drew pictures of what it might be: <np>, {food}, or a baby dragon]. The box [rustled|scratched|was silent]. {He} [tiptoed past it five times|sat in front of it with {his} chin in {his} {hands}]. {F_ref} asked, "What is in there?" "[I do not know|That is the trouble]," <said:h>.
"[What can it be|Is it {food}|Is it a dragon|Is it <np>]?" {h} wondered. {He} [walked around it|sniffed at it|shook it a little|put {his} ear on it]. {He} tried to {act1}, but {he} [could only think of the box|always came back to it]. {F_ref} said, "[Just one look|Nobody will know|Do not do it. You promised]."
= secret.open
{h} lifted the lid, just a [tiny bit|finger wide]. [Whoosh|Hop|Flap]! Out came a [little|small] {a_hue} {a}! It [ran through the {home}|knocked over a cup|hid behind the stove|made a mess everywhere]. "[Oh no|Come back|Help]!" <wail:h>. {He} [ran after it for an hour|tried to catch it with a pot|crawled under every chair]. [At last, {he} caught it|Finally, it was back in its place]. <sorry:h>
= secret.keep
{h} put out {his} {hand}. Then {he} pulled it back. "[I promised|A promise is a promise]," {he} said. {He} [went outside|sat on {his} {hands}|sang a song] until {he} [forgot about it|felt better]. [It was the longest day of {his} life|It was very, very hard].
= secret.end
When {g} came home, {h} [told {g_him} everything|ran to the door]. {G} [laughed|smiled|raised one eyebrow]. "[It was meant as a surprise for you|The {a} was for you anyway]," {g_he} said. "[I wanted to wait until Sunday|But waiting is hard, I know|Next time, please wait]." {h} [hugged {g_him}|could hardly believe it] and named the {a} [Lucky|Sunday|Secret|Peanut|Noodle|Hero]. [<glad:h>|]
= secret.end2
When {g} came home, {g_he} looked at the lid. "[You did not open it|You kept your promise|I see that I can trust you]," {g_he} said. "[Now you may look|It is for you|Go on, open it now]." {h} lifted the lid, and out came a [little|small] {a_hue} {a}! {h} [danced around the room|could not say a word|laughed and cried] and named the {a} [Lucky|Sunday|Secret|Peanut|Noodle|Hero|Button|Cookie]. [<glad:h>|]
On Sunday, the whole family [sat around the table|came together]. "[Now it is time|You waited so well|Close your eyes]," <said:g>. In the box there was <np>, and under it {o_a}! "[For me|I never guessed that|Thank you, {g_call}]!" <sayglad:h>. [<glad:h>|{h} was glad that {he} had waited.]
= secret.lesson
it is good to be curious, but [not to break your word|some things must wait]
[a surprise is only a surprise if you wait for it|you should keep your word]
it is best to own up when you did wrong
= secret.lesson2
a promise is a promise
waiting makes [a surprise even better|joy bigger]
[those who wait get the best surprise|you should keep your word]

# ---- too small? ----
= small
{h} was the smallest {kind} in the [family|whole [village|town|valley|neighborhood|land]|{home}]. "[I am too small for everything|I want to be big]," {he} often said. {He} could not [reach the shelf|carry the water|open the gate|see over the fence]. // <small.left> // <small.trouble> <air> // <small.save> // <proud:h> <moral:small.lesson> [<byeg>|]
<open> But {he} was [very small|the smallest of all|so small that everyone forgot {him}]. // <small.left> // <small.trouble> <air> // <small.save> // <moral:small.lesson> [<bye>|]
= small.left
When the others [played a game|carried the harvest|went on a trip], {h} had to [watch|stay with the coats|hold the rope]. "[Next year, little one|You would only get lost|Mind you do not blow away]," they said. <sad:h>
One {weather} {time}, {f_ref} and the others wanted to {act1}. "[You are too small|You cannot keep up|Maybe next year]," <said:f>. <sad:h>
"[I want to help|Can I carry something|Let me do it]!" {h} always said. "[You are too little|When you are bigger|Be careful, little one]," said everybody. <angry:h>
= small.trouble
<then>, [something happened|there was a cry for help]. {G_poss} [key fell into a deep crack|ring rolled under the floor|glasses slid behind the stove], and [nobody could reach in|every {hand} was too big|no arm was thin enough].
That same {time}, a {a_hue} {a} [crawled into a pipe|was stuck in a narrow hole|fell down between two rocks], {spot1}. "Help!" {a_said} the {a}. [The big ones could not get in|They pulled and pushed, but nobody could get through].
= small.save
"[I can do it|Let me try|I will fit]," <said:h>. [Everyone stared|They looked at each other]. {h} [made {himself} thin and crawled in|crawled in|squeezed through], [little by little|inch by inch]. It was [dark|dusty|tight] in there. <then>, {he} came out again, [dirty but happy|covered in dust|with cobwebs on {his} nose]. "[Here you are|I have it|All is well]!" <sayglad:h>. [Everybody cheered|"Hurray for {h}!" they all shouted|They carried {him} home on their shoulders]. ["We are sorry," they said. "You are not too small. You are just right."|]
= small.lesson
[being small can be a big thing|even the smallest can do great things]
it is not your size that counts, but your heart
everyone is good at something
you are just right as you are

# ---- tidying ----
= tidy
<open> But [{his} room was a mess|{he} never put anything away|{he} did not like to clean up]. // <tidy.mess> // <tidy.lose> <air> // <tidy.clean> // <moral:tidy.lesson> [<byeg>|]
= tidy.mess
There were [socks on the lamp|crumbs in the bed|books in the bath] and <junk> [under the pillow|on the chair|behind the door]. There was even <junk>! "[Please clean up|Your room looks like a jungle|A storm must have come through here]," <said:g>. "[Later|Tomorrow|I like it that way]," <said:h>.
= tidy.lose
One {time}, {f_ref} came. "[Let us go and {act1}|Bring your {o}, and let us play]," <said:f>. But {h} could not find {his} {o} [anywhere|in all that mess]. {He} [stepped on a block|fell over a shoe|got tangled in a rope]. "[Ouch|Oh no]!" {he} cried. {f} [had to wait|sat down and yawned|went on without {him}]. <sad:h>
= tidy.clean
{h} looked at the mess and sighed. "[One thing at a time|First the floor, then the bed|I will find the floor today]," {he} said. {He} found <np>. {He} found <np>. And at the very bottom {o_was} {his} {o_adj} {o}! When all was [clean|done], there was room to [dance|do a cartwheel|build a train track]. {G} [whistled|clapped|took a picture]. [<proud:h>|<glad:h>]
"[Now I will clean up|It is time|This cannot go on]," <said:h>. {He} [turned it into a game|sang while {he} worked|set a timer]. [Books on the shelf|Blocks in the box], [socks in the drawer|shoes in a row], [paper in the bin|dust out of the window]! {f} [helped too|came back to help|swept the floor]. Under [a heap of clothes|the last blanket|a pile of paper] {o_was} the {o_adj} {o}. {h} also found <junk>. "[What a nice room|I can see the floor|I hardly know the place]!" said {g}. [<proud:h>|<glad:h>]
= tidy.lesson
[it is easier to find things in a tidy room|everything needs its place]
[a bit of work every day is better than a big mess|cleaning up is not so bad]
if you put things back, you can find them again

# ---- snow ----
= snow
<open> <maybe> It was winter, and {he} waited for snow. // <snow.fall> // <snow.play> <air> // <snow.trouble> // <moral:snow.lesson> [<bye>|]
= snow.fall
Every {time}, {he} looked out of the window. [No snow|Only rain|Only gray clouds]. Then one {time}, [everything was white|it was very quiet outside|fat flakes were falling]. "[Snow! Snow|It snowed|Get up, {g_call}]!" <sayglad:h>. {He} put on {his} [coat|boots|warm hat] and [ran|jumped] out.
= snow.play
{h} made the first tracks in the yard, and {f_ref} made the second. They [rolled a ball as big as a barrel|built a wall and threw snowballs over it|dug a cave and sat in it]. {f} [lost a mitten and found <np>|caught a flake on {f_his} tongue]. [<glad:h>|<glad:f>]
{F_ref} was already there. They [{act1_ed}|threw snowballs at a tin can|rode the sled down the hill]. Then they made a [fat|tall|fine] snowman. {f} gave the snowman [a carrot for a nose|an old hat|a scarf|two buttons for eyes]. They named it [Mr. Frost|Captain Cold|Snowball|Grandpa Ice]. [<glad:f>|<glad:h>] <aside>
= snow.trouble
<sudden>, {h} saw a {a_hue} {a}. It was shaking. "[I am so cold|I cannot find any food in the snow|My home is covered with snow]," {a_said} the {a}. {h} and {f} [looked at each other|knew what to do]. They built [a tiny snow house with leaves inside|a little shelter of branches] and brought some {a_food}. "[You are so kind|Now I am warm|Thank you]," {a_said} the {a}. At home, {g} had {food} for both of them.
But then the sun came out, and the [snowman|snow] began to [melt|drip]. <sad:h> "[Do not be sad|It is not gone]," <said:g>. "[It turns to water, and the water will be snow again|It will come back next winter|It goes to the river, and the river goes to the sea]." {h} and {f} [saved one snowball in the ice box|waved goodbye to it|kept its hat until next year].
= snow.lesson
[nothing is gone forever|some things are lovely because they do not stay]
[even the coldest day can warm the heart|a warm heart melts the ice]
we should [think of the animals in winter|share our warm home]
it is good to enjoy [each day|the snow while it lasts]

# ---- market, choosing ----
= market
<open> <maybe> {He} had saved [three|five|seven|ten] coins. // <market.go> // <market.see> <air> // <market.wise> // <moral:market.lesson1> [<byeg>|]
<open> <maybe> {He} had saved [three|five|seven|ten] coins. // <market.go> // <market.see> <air> // <market.kind> // <moral:market.lesson2> [<byeg>|]
{h} found [five|six|nine] coins in {his} old [coat|boot|piggy bank]. The {trait} {kind} [was rich|felt like a king]. // <market.go> // <market.see> <air> // <market.rash> // <moral:market.lesson3> [<byeg>|]
= market.go
One {weather} {time}, {h} went to the [market|shop|fair] with {g}. "You may buy one thing," <said:g>. "[Choose well|Only one|Take your time]."
= market.see
They walked past a stall with <np> and a stall with <np>. {h} [stopped everywhere|touched everything]. But the best stall was the last one: {o_a}! [{He} held {his} breath|{He} had dreamed of {o_them}]. Then the smell of [warm candy|burnt sugar|hot chocolate] came along. Candy was [cheap|so sweet], too.
[There were so many things|So many colors]! {h} saw <junk2> and <junk2>. Then {he} saw {o_a}. [{His} eyes got big|"I want that," {he} said|{He} had always wanted one of those]. Right next to it was [a bag of candy|a chocolate bear|a stick of pink sugar]. [It smelled so sweet|{His} mouth watered].
= junk2
[big|little|shiny|wooden|painted|sweet|funny|soft|fresh|silver|paper|glass] [spoons|drums|apples|hats|birds|cakes|ribbons|pots|clocks|pears|fish|masks|socks|bells|baskets|plums|candles|dolls|fans|brooms|eggs|flowers|whistles|melons]
= market.wise
{h} counted {his} coins [twice|again and again]. They were enough for the candy or for the {o}, but not for both. ["What will I still have tomorrow?" {he} [thought|said]|"Candy is gone in a minute," {he} [thought|said]]. So {he} took the {o}. [At home, {he} was {o_using} until dark|All week long, {he} was {o_using}]. [<glad:h>|{G} was proud of {him}.]
= market.kind
Then {he} saw [an old man with a hat on the ground|a little child who cried|a poor woman with a baby]. "[Please, something to eat|I am so hungry]," said a weak voice. {h} looked at the {o}. {He} looked at {his} coins. Then {he} gave them all away. {G} [saw it and did not say a word|wiped {g_his} eyes]. The next {time}, {o_a} lay on {his} pillow. [<glad:h>|]
= market.rash
{He} bought the candy and ate it [at once|on the way home|all alone]. [Soon it was gone|Ten minutes later, the bag was empty]. {He} still thought of the {o}. "[I should have waited|I chose too fast]," <saysad:h>. "[Then you know it for the next time|That was a lesson for one coin]," <saykind:g>. So {h} saved again, and [one month|six weeks] later, the {o} [came home with {him}|{o_was} {hers}].
= market.lesson1
it is wise to think before you [buy|choose]
[some joys are gone in a minute, and others stay|a good choice lasts a long time]
= market.lesson2
[a kind deed is worth more than coins|a kind heart is the greatest treasure]
what you give away comes back to you
= market.lesson3
it is wise to think before you [buy|choose]
[saving takes time, but it is worth it|sweets are soon gone]
[you cannot have everything|you can learn from a bad choice]

# ---- little lies ----
= fib
<open> But sometimes {he} [told fibs|made things up]. // <fib.tell> // <fib.again> <air> // <fib.true> // <fib.end> // <moral:fib.lesson> [<byeg>|]
= fib.tell
"[A giant stepped on the bridge|Somebody stole the moon|The cows are flying]!" {h} [told|said to] everyone one {time}. {F_ref} [believed it|ran to see it]. {G} [put on {g_his} boots and went to look|asked a hundred questions]. Of course it was not true. {h} [held {his} belly with laughter|thought it was the best joke in the world].
"[A wolf is in the yard|The barn is on fire|I saw a tiger {spot1}|The river is coming up the street]!" {he} [cried|shouted] one {weather} {time}. {G} [ran out|dropped everything]. {F_ref} came with a [broom|bucket|stick]. But there was only <junk>. "[I was just joking|Ha, ha]," <said:h>.
= fib.again
The next {time}, {he} did it again. Again, {g} and {f} came running. {G} [was not happy|shook {g_his} head]. "[One day we will not come|If you fib, nobody will believe you]," {g_he} said. {h} [only laughed|did not listen].
= fib.true
Then one {time}, {h} [fell into a muddy hole|got stuck in a tree|was chased by an angry goose|got {his} {foot} stuck between two rocks]. "[Help|Please help me]! This time it is true!" {he} cried. [But nobody came|Everyone thought it was another joke]. <scared:h> <sad:h>
= fib.end
It got [dark|late]. <atlast>, {f} [thought, "That sounds real."|came by and heard {him}.] {f_He} [pulled {him} out|fetched {g} and a rope]. "[I am sorry I told so many fibs|Thank you for coming]," <saysad:h>. "[I will always tell the truth now|No more fibs, I promise]." {G} [wrapped {him} in a blanket|gave {him} hot soup]. "[I believe you|That is a good promise]," {g_he} said.
= fib.lesson
nobody [believes|trusts] those who often tell fibs
[words are like coins, and you should not waste them|trust is easy to lose and hard to win back]
a joke about danger is no joke

# ---- an odd helper: a talking thing ----
= talking
<open> <maybe> // <outing> <talking.find> // <talking.speak> <air> // <talking.help> // <moral:talking.lesson> [<byeg>|]
= talking.find
{h} sat down to rest {spot1}. "[Ouch|Be careful|You are sitting on my nose]!" said a [grumpy|soft|very old] voice. It was [an old milestone|a tree stump with two knots for eyes|a forgotten snowman of stone|a bench with carved feet]. "[Can you talk|Was that you|Am I dreaming]?" <asks:h>. "[Of course I can|I talk to everyone, but no one listens|Only on {weather} days]," it said.
{Spot1} stood [an old tree with a face|a crooked signpost|a gray stone with moss on top|a rusty watering can|a very old boat|a snowy white mushroom]. {h} wanted to [sit on it|walk past|draw it]. "[Hey, watch out|Good {time}|Do not go so fast]!" said a [deep|creaky|tiny|soft] voice. {h} [jumped|looked left and right]. ["Who said that?" <asks:h>. "I did," said the voice.|"Is someone there?" <asks:h>. "Yes, me," said the voice.] "[I have stood here for a hundred years|Nobody ever stops to talk|I am so bored]."
= talking.speak
<scared:h> But {he} [stayed|was too curious to run]. "[Are you sad|What is it like to stand still|Do you know any stories]?" {he} asked. "[I would love to see the sea|I miss the birds|I itch, and I have no {hands}|I would like a hat]," it [said|sighed].
= talking.help
{h} [thought about it|smiled]. The next day, {he} came back with {f_ref} and [a bucket of sea water and three shells|seeds for the birds|a soft brush|a big straw hat|{food}]. "[For you|We thought this might help]," <said:h>. The voice [laughed until the ground shook|was quiet, and then it sang]. "[Now I will tell you a secret|Ask me anything]," it said. It told them [where the best berries grow|about the days when giants lived here|how the stars got their names]. [<glad:h>|<glad:f>] They came back every [week|Sunday].
= talking.lesson
it is worth it to stop and listen
[everyone has a story to tell|old things know many stories]
a small gift can make [someone old|a lonely heart] happy
"""
