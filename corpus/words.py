"""The words of the story generator: who, what, where and when.

`synth.py` reads this module; nothing here runs.  All sentences were written for this project.

Tables are one entry to a line, fields separated by `|`, lists inside a field by `;`, and verbs given as
base/past/-ing, so that `chase/chased/chasing butterflies` serves "to chase butterflies", "chased butterflies" and
"chasing butterflies".  A last field beginning with `@` says where an entry belongs: `@town` (heroes are children),
`@woods` (heroes are animals), seasons, or both; without it the entry fits everywhere.  Slots such as {he} may stand in
a table and are filled like those of the grammar (`grammar.py` explains them).
"""

# ---------------------------------------------------------------------------------------------- persons

GIRLS = """
Lily Mia Sue Anna Sara Lucy Emma Amy Kate Molly Jane Rosie Ella Zoe Nora Ruby Grace Ivy Clara Alice Daisy Bella Chloe
Hannah Ada Maya Nina Tess Wendy Penny Holly Jenny Polly Sophie Leah Eva Lola Mary Beth June Cora Elsie Fern Greta
Ines Josie Kira Lena Mabel Naomi Olive Paula Rita Stella Tara Uma Vera Willa Yara Zara Dora Esme Freya Gwen Hattie
Isla Juno Kiki Lara Mina Nell Opal Peggy Rosa Sally Tilly Abby Betsy Carla Dina Edith Fiona Gina Heidi Iris Josefa Lottie
""".split()

BOYS = """
Tom Tim Ben Max Sam Jack Leo Noah Billy Joe Finn Luke Adam Dan Eli Fred George Harry Ian Jake Kevin Liam Mark Ned
Oscar Peter Ray Sid Toby Rory Zack Alex Bobby Charlie David Evan Felix Gus Henry Hugo Ivan Jim Karl Lenny Milo Nick
Otto Paul Ravi Simon Theo Victor Walter Yusuf Arthur Bruno Caleb Diego Emil Frank Gabe Hank Idris Jonas Kofi Louis
Marco Nate Omar Pablo Robin Stan Tariq Ugo Vincent Wes Abel Boris Colin Dylan Ernie Floyd Gordon Hamid Isaac Jasper
""".split()

# Names for animals; each list is used for its own gender only, so that no name changes sides.
ANIMAL_GIRLS = """
Hazel Poppy Bramble Clover Nutmeg Willow Pepper Heather Maple Cricket Luna Plum Dot Pebble Mitzi Tansy Juniper Marigold
Sorrel Velvet Pumpkin Blossom Dewdrop Twinkle Fluff Ginger Acorn Lavender Whisper Sunny
""".split()
ANIMAL_BOYS = """
Pip Thistle Basil Rusty Bumble Chester Patch Digger Fern-Foot Monty Scamper Tuck Biscuit Barley Moss Russet Bandit
Rufus Hop Wiggles Teddy Dusty Flint Nibbles Otis Sprout Tumble Oakley Fidget Waffles
""".replace("Fern-Foot", "Bristle").split()

# Heroes of the woods: what they are (all have paws), and where they live.
WOODLAND = """
rabbit|burrow
fox|den
bear|cave
mouse|hollow log
squirrel|tree hollow
hedgehog|nest of leaves
badger|burrow
beaver|lodge
otter|den by the river
raccoon|hollow tree
mole|tunnel house
chipmunk|burrow
kitten|barn
puppy|barn
wolf|den
panda|bamboo house
weasel|den
hamster|nest
"""

HOUSES = "house;cottage;farmhouse;apartment;little house;brick house;yellow house;house by the road"

TRAITS = """kind;brave;shy;clever;curious;funny;gentle;cheerful;careful;quiet;lively;stubborn;playful;helpful;patient;
friendly;dreamy;honest;silly;thoughtful;polite;messy;impatient;smart;generous;merry;bold;sleepy;busy;lucky;proud;
hopeful;chatty;bouncy;loyal;grumpy;nosy;adventurous;forgetful;noisy"""

AGES = "three;four;five;six;seven;eight"

# kind in the family | name when spoken to | gender
GROWN_UPS = """
mom|Mom|she
mom|Mom|she
mother|Mother|she
dad|Dad|he
dad|Dad|he
father|Father|he
grandma|Grandma|she
grandma|Grandma|she
grandpa|Grandpa|he
grandpa|Grandpa|he
granny|Granny|she
aunt|Auntie|she
uncle|Uncle|he
"""

FRIEND_ROLES = "friend;friend;best friend;best friend;good friend;cousin;neighbor"

# small animal | looks | the sound it made | where it lives | what it eats | what it can be in a story
ANIMALS = """
duckling|yellow;fluffy;brown|peeped|the pond|bread crumbs|rescue;pet
bird|blue;red;speckled;gray|chirped|its nest|seeds|rescue;climber
kitten|black;striped;white;orange|meowed|the old barn|milk|rescue;pet;climber;carrier|@town
puppy|brown;spotted;white;golden|whimpered|the farm|biscuits|rescue;pet;carrier|@town
rabbit|white;brown;gray|squeaked|its burrow|carrots|rescue;pet|@town
turtle|green;brown|whispered|the creek|lettuce|rescue;pet|@spring,summer,autumn
frog|green;speckled;shiny|croaked|the pond|flies|rescue|@spring,summer,autumn
squirrel|red;gray;brown|chattered|its hollow tree|nuts|rescue;climber;carrier|@town
lamb|white;woolly;black|bleated|the green field|grass|rescue
hedgehog|brown;prickly|snuffled|its pile of leaves|berries|rescue;pet|@town
mouse|gray;brown;white|squeaked|its hole in the wall|cheese|rescue;climber;carrier;pet|@town
piglet|pink;spotted|squealed|the farm|apples|rescue;carrier
owl|gray;white;fluffy|hooted|the tall pine tree|supper|rescue;climber
chick|yellow;fluffy|cheeped|the hen house|corn|rescue;pet
gosling|gray;yellow|honked|the lake|clover|rescue
robin|red;plump|sang|its nest|worms|rescue;climber
sparrow|brown;plump|chirped|its nest|crumbs|rescue;climber
snail|brown;striped|whispered|the garden wall|leaves||@spring,summer,autumn
butterfly|blue;yellow;orange|whispered|the wild flowers|nectar||@spring,summer
bee|fuzzy;golden;striped|buzzed|its hive|honey||@spring,summer
ladybug|red;spotted|whispered|the rose bush|tiny bugs||@spring,summer
beetle|green;black;shiny|hummed|the mossy log|leaves||@spring,summer,autumn
parrot|green;red;blue|squawked|its big cage|sunflower seeds|pet;climber|@town
"""

PEOPLE = """baker;mailman;farmer;shopkeeper;gardener;fisherman;teacher;bus driver;fruit lady;painter;shoemaker;doctor;
nurse;clockmaker;librarian;tailor;bricklayer;fireman;milkman;piano teacher|@town
toad;heron;mole;crow;deer;stork;owl;badger;goose;pheasant;beaver;otter;woodpecker;hare;raven;swan;lizard;bat|@woods"""

NEIGHBORS = """Mr. Brown;Mr. Hill;Mr. Stone;Mr. Oak;Mr. Pickle;Mr. Grim;Mr. Barlow;Mr. Finch;Mr. Thorn;Mr. Crumb|he
Mrs. Green;Mrs. Wood;Mrs. Black;Mrs. Wick;Mrs. Plum;Mrs. Gray;Mrs. Potts;Mrs. Lark;Mrs. Nettle;Mrs. Moss|she"""

# Pairs that cannot be said of one hero.
OPPOSITES = """quiet noisy;quiet chatty;quiet lively;patient impatient;careful messy;careful bold;shy bold;shy chatty;
sleepy busy;sleepy lively;cheerful grumpy;merry grumpy;clever silly;smart silly;smart clever;kind generous;funny silly;
friendly grumpy;shy brave;brave bold;shy proud;thoughtful forgetful;polite nosy;gentle noisy;kind grumpy;lively bouncy;
funny grumpy;playful grumpy;hopeful grumpy;gentle grumpy;polite grumpy;polite noisy;quiet bouncy;sleepy bouncy;
curious nosy;cheerful merry;dreamy busy;stubborn helpful;patient bouncy;shy noisy;generous kind;sleepy adventurous"""

# ---------------------------------------------------------------------------------------------- things

COLORS = """red;blue;green;yellow;orange;purple;pink;white;brown;silver;golden;black;gray;bright red;dark blue;pale green;
sky blue;striped;spotted;blue and white;red and yellow;pretty;shiny;new;old;little;small;special;lovely;colorful"""

# noun | "pair of" or "some" where it is plural | what one does with it ({o_them} is "it" or "them")
TOYS = """
ball||bounce/bounced/bouncing {o_them} against the wall
ball||kick/kicked/kicking {o_them} across the grass
kite||fly/flew/flying {o_them} high in the wind
doll||dress/dressed/dressing {o_them} in tiny clothes
teddy bear||hug/hugged/hugging {o_them} at bedtime
toy car||race/raced/racing {o_them} down the path
toy boat||float/floated/floating {o_them} in the water
toy train||push/pushed/pushing {o_them} along the floor
toy truck||fill/filled/filling {o_them} with sand
toy airplane||swoop/swooped/swooping {o_them} through the air
toy horse||gallop/galloped/galloping {o_them} up and down
toy robot||wind/wound/winding {o_them} up
drum||bang/banged/banging {o_them} with two sticks
whistle||blow/blew/blowing {o_them} loudly
flute||play/played/playing {o_them} softly
trumpet||blow/blew/blowing {o_them} as loud as thunder
tambourine||shake/shook/shaking {o_them} and dance
scarf||wear/wore/wearing {o_them} around the neck
hat||wear/wore/wearing {o_them} everywhere
cap||wear/wore/wearing {o_them} backwards
crown||wear/wore/wearing {o_them} like a king
mask||wear/wore/wearing {o_them} and roar
cape||wear/wore/wearing {o_them} and pretend to fly
mittens|pair of|wear/wore/wearing {o_them} even indoors
boots|pair of|wear/wore/wearing {o_them} in every puddle
slippers|pair of|wear/wore/wearing {o_them} around the house
skates|pair of|polish/polished/polishing {o_them} every week
glasses|pair of|wear/wore/wearing {o_them} to look smart
marbles|some|roll/rolled/rolling {o_them} in a circle
crayons|some|draw/drew/drawing with {o_them} all afternoon
building blocks|some|stack/stacked/stacking {o_them} into towers
paints|some|mix/mixed/mixing {o_them} to make new colors
picture book||read/read/reading {o_them} under a tree
storybook||read/read/reading {o_them} before bed
notebook||draw/drew/drawing in {o_them} after lunch
blanket||cuddle/cuddled/cuddling {o_them} when it was cold
pillow||hug/hugged/hugging {o_them} at night
puppet||make/made/making {o_them} talk in a funny voice
top||spin/spun/spinning {o_them} on the floor
yo-yo||swing/swung/swinging {o_them} up and down
bell||ring/rang/ringing {o_them} at dinner time
basket||fill/filled/filling {o_them} with berries
bucket||carry/carried/carrying {o_them} everywhere
shovel||dig/dug/digging holes with {o_them}
ribbon||twirl/twirled/twirling {o_them} in the air
button||polish/polished/polishing {o_them} until it gleamed
key||swing/swung/swinging {o_them} on a string
necklace||wear/wore/wearing {o_them} to parties
bracelet||wear/wore/wearing {o_them} on the wrist|@town
ring||wear/wore/wearing {o_them} on special days|@town
coin||flip/flipped/flipping {o_them} in the air
seashell||listen/listened/listening to the sea in {o_them}
stone||rub/rubbed/rubbing {o_them} for good luck
feather||tickle/tickled/tickling noses with {o_them}
magnifying glass||look/looked/looking at bugs through {o_them}
flashlight||shine/shone/shining {o_them} into dark corners
lantern||light/lit/lighting {o_them} in the evening
compass||point/pointed/pointing {o_them} to the north
map||study/studied/studying {o_them} like an explorer
backpack||pack/packed/packing {o_them} for long trips
umbrella||open/opened/opening {o_them} in the rain
jump rope||skip/skipped/skipping with {o_them} until sunset
hoop||roll/rolled/rolling {o_them} down the lane
paper crane||make/made/making {o_them} flap its wings
music box||wind/wound/winding {o_them} up and listen
snow globe||shake/shook/shaking {o_them} to see the snow
wooden duck||drag/dragged/dragging {o_them} on a string
stuffed rabbit||take/took/taking {o_them} to tea parties|@town
stuffed elephant||tell/told/telling {o_them} secrets
dinosaur||make/made/making {o_them} stomp and roar|@town
puzzle||finish/finished/finishing {o_them} on rainy days
telescope||look/looked/looking at the moon through {o_them}
"""

# what broke | how it came down or apart | where it stood
BREAKABLES = """
vase|fell off the shelf|on the shelf
cup|slid off the table|on the table
teapot|tipped over|on the tray
plate|dropped to the floor|on the counter
bowl|rolled off the table|on the table
lamp|crashed to the floor|beside the sofa
clock|fell off the wall|on the wall
mirror|slipped from its hook|in the hall
flower pot|toppled from the window sill|on the window sill
jar of jam|smashed on the floor|in the pantry
picture frame|fell face down|above the fireplace
snow globe|rolled off the desk|on the desk
cookie jar|tumbled off the counter|on the counter
milk jug|tipped off the table|on the table
chair|cracked with a loud snap|by the door
glass bird|fell from its branch|on the little tree
music box|dropped on the stones|by the bed
garden gnome|fell over with a thud|beside the path
birdhouse|came down from its post|in the garden
candle holder|toppled over|on the mantel
fishbowl castle|split right in two|by the window
wooden ship|lost its mast|on the top shelf
"""

# project | what it was made of | the part that went wrong
PROJECTS = """
fort|blankets;chairs;pillows|the roof kept sliding down
tree house|boards;nails;rope|the ladder was too short
birdhouse|wood;nails;green paint|the walls would not stand straight
raft|logs;rope;an old sheet|one end kept sinking|@spring,summer,autumn
sandcastle|wet sand;shells;sticks|the tower kept falling over|@summer
kite|paper;string;thin sticks|the paper tore in the middle
bridge|flat stones;branches;mud|the middle kept breaking
wagon|a box;four wheels;a long string|one wheel came off
robot|boxes;tin foil;buttons|the head would not stay on|@town
snow fort|snow;ice blocks;a bucket|the wall fell down|@winter
snowman|three big snowballs;coal;a carrot|the head rolled off|@winter
swing|a board;strong rope;knots|the seat was crooked
scarecrow|straw;old clothes;a pumpkin|the arms fell off|@autumn
boat|bark;a leaf;a twig|it tipped on its side
castle|cardboard;glue;paper flags|the gate fell off|@town
tent|a sheet;sticks;clothespins|the wind blew it flat
bug hotel|pine cones;hollow reeds;bricks|everything slid out of the front
dollhouse|shoe boxes;paint;matchboxes|the second floor sagged|@town
dam|stones;clay;branches|the water kept sneaking through
puppet stage|a crate;a curtain;clothespins|the curtain would not open
rocket ship|a tall box;bottle caps;silver paint|the nose bent over|@town
windmill|paper;a pin;a stick|the wings would not turn
tower|blocks;cans;an egg cup|it wobbled and tumbled down
little house|sticks;moss;bark|the walls leaned to one side
sled|two boards;wax;a red rope|it would not slide|@winter
"""

# to do | doing | did | first failure | second failure | at last
SKILLS = """
ride a bike|riding a bike|rode|the bike wobbled and tipped over|{he} rolled into a bush|{he} rode all the way to the corner|@town
swim|swimming|swam|{he} got water up {his} nose|{he} sank like a stone|{he} swam from one side to the other|@summer
whistle|whistling|whistled|only air came out|it sounded like a leaky balloon|a clear note rang out
tie a bow|tying a bow|tied|the loops fell apart|{he} made a knot as big as a plum|the bow sat there, neat and tight
jump rope|jumping rope|jumped|the rope caught on {his} {feet}|{he} jumped too late|{he} jumped ten times in a row
skate|skating|skated|{he} sat down hard on the ice|{his} legs slid apart|{he} glided in a big circle|@winter
ski|skiing|skied|{he} slid backward|{he} landed in a snowbank|{he} zoomed down the hill without a fall|@winter
climb a rope|climbing a rope|climbed|{he} slid right back down|{his} arms got tired|{he} touched the branch at the top
draw a horse|drawing a horse|drew|the horse looked like a potato|the legs were all too short|the horse looked ready to run away
catch a ball|catching a ball|caught|the ball bounced off {his} nose|the ball slipped through {his} {hands}|{he} held the ball tight
read a book|reading a book|read|the letters looked like ants|{he} mixed up the words|{he} read a whole page out loud
count to one hundred|counting|counted|{he} got lost after twenty|{he} skipped all the forties|{he} counted up to one hundred without a mistake
bake bread|baking bread|baked|the bread was as hard as a brick|the dough stuck to everything|the loaf came out round and golden
play the flute|playing the flute|played|the flute only squeaked|the cat ran out of the room|a sweet song filled the air|@town
play the drum|playing the drum|played|{he} dropped both sticks|the beat came out all wrong|the beat was steady and strong
juggle|juggling|juggled|one apple hit {his} toe|all three apples rolled away|three apples danced in the air
do a cartwheel|doing cartwheels|did it|{he} flopped over like a pancake|{he} landed on {his} bottom|{he} spun around like a wheel
write {his} name|writing|wrote|the letters went up and down|one letter came out backward|{his} whole name stood on the paper|@town
paddle a boat|paddling|paddled|the boat went around in circles|{he} dropped the paddle|the boat went straight as an arrow|@spring,summer
sew a button|sewing|sewed|the thread kept knotting|{he} sewed the button to {his} own sleeve|the button was on and did not wobble
fly a kite|flying a kite|flew it|the kite dragged along the ground|the string got tangled|the kite climbed into the sky|@spring,autumn
knit a scarf|knitting|knitted|{he} dropped a stitch|the wool rolled away|the scarf was long and warm|@autumn,winter
stand on {his} head|standing on {his} head|did it|{he} tipped over sideways|{his} legs waved and fell|the whole world was upside down
dive|diving|dived|{he} landed flat on {his} belly|{he} was afraid to let go|{he} slipped into the water without a splash|@summer
dig a tunnel|digging|dug|the dirt fell back in|{he} hit a big rock|the tunnel came out by the pine tree|@woods
crack nuts|cracking nuts|cracked one|the nut shot away|{he} squashed {his} thumb|the shell opened with a neat crack|@woods,autumn
climb the tall tree|climbing|climbed|{he} slipped on the bark|{he} got scared halfway up|{he} sat on the highest branch
make pancakes|making pancakes|made one|the pancake stuck to the pan|the pancake landed on the floor|the pancake flipped over and came down flat
hit the target|throwing|hit it|the stone flew over the fence|it landed behind {him}|it hit the middle with a loud tock
hop on one leg|hopping|hopped|{he} fell over after two hops|{his} leg got tired|{he} hopped from the gate to the door
walk on stilts|walking on stilts|walked|{he} fell into the hay|the stilts crossed|{he} walked past the window, as tall as a giraffe|@town
play checkers|playing checkers|played|{he} lost in five moves|{he} forgot whose turn it was|{he} jumped three pieces at once
"""

# afraid of | when it happened | advice | what was done | what it turned out to be like
FEARS = """
the dark|the lamp went out|Count to three and listen|sat still and counted slowly|the dark was soft and quiet, like a blanket
thunder|the thunder rumbled|Clap back each time it claps|clapped {his} {hands} after every boom|the thunder sounded like a big friendly drum|@spring,summer,autumn
deep water|the others jumped into the lake|Hold my hand and go in slowly|went in one step at a time|the water held {him} up like a pillow|@summer
big dogs|the big dog trotted over|Let it smell you first|held out one {hand}|the dog had a wet nose and a wagging tail|@town
the high slide|{he} stood on the top step|Look at me and not at the ground|looked straight ahead and let go|it felt like flying|@town
spiders|a spider came down on its thread|Look how well it knits|bent down and looked closely|the spider was tiny and very busy
the cellar|{he} had to fetch the apples|Sing a song on the way down|sang all the way down the steps|there was nothing there but jars and boxes|@town
the old bridge|the boards creaked|Step on the thick boards|took small steps and held the rope|the bridge only liked to talk
strangers|a new family moved in next door|Just say hello|took a breath and said hello|they had warm smiles and kind eyes
the first day of school|the school bell rang|Find one person who looks nice|sat down next to a quiet girl with a braid|school was full of songs and paint|@town,autumn
the doctor|it was time for a checkup|Squeeze my hand hard|squeezed as hard as {he} could|it was over before {he} could say ouch|@town
monsters under the bed|something scratched under the bed|Let us look together with a light|looked under the bed with a light|it was only a mouse with a cookie|@town
climbing high|everyone else went up the big tree|Take one branch at a time|climbed one branch and then another|the whole valley lay below like a map
the wind|the wind howled around the {home}|Howl back at it|howled right back at it|it was only the wind singing
bees|a bee landed on a flower nearby|Stand still and let it work|stood as still as a post|the bee only wanted the flower|@spring,summer
getting lost|the path went between tall bushes|Leave a white stone at each turn|dropped a white stone at every turn|the stones shone all the way home
loud noises|the fireworks went bang|Cover your ears and look at the colors|covered {his} ears and looked up|the sky was full of golden rain
the river|it was time to cross the river|Jump from stone to stone with me|jumped from stone to stone|the river giggled around the stones|@spring,summer,autumn
singing in front of others|it was {his} turn to sing|Sing to one friendly face|looked at one friendly face|the song came out clear and sweet
snow slides|the sled stood on the top of the hill|Scream as loud as you like|screamed and laughed all the way down|it was the best ride in the world|@winter
"""

# plant | the seed | what it gave
PLANTS = """
sunflower|a striped seed|a big yellow face
pumpkin|a flat white seed|a round orange pumpkin
bean plant|a brown bean|long green beans
tomato plant|a tiny seed|six red tomatoes
rose bush|a thin stick|sweet pink roses
apple tree|a brown seed|two green leaves and then two more
strawberry plant|a small plant with two leaves|a handful of sweet strawberries
carrot|a seed as small as dust|a crooked orange carrot
tulip|a round bulb|a red cup on a long stem
watermelon vine|a black seed|a heavy striped melon
daisy|a very small seed|white petals around a yellow eye
corn stalk|a golden kernel|three ears of yellow corn
pea plant|a wrinkled pea|fat pods full of peas
cherry tree|a hard little stone|a cloud of white blossoms
lavender bush|a dusty seed|purple flowers that smelled like summer
pepper plant|a flat pale seed|shiny red peppers
"""

FOODS = """a slice of apple pie;warm bread with honey;a bowl of hot soup;pancakes with jam;a big chocolate cookie;
cheese and crackers;a cup of warm milk;a ripe peach;a plate of noodles;a baked potato with butter;strawberries and cream;
a blueberry muffin;oatmeal with raisins;a piece of cherry cake;toast with plum jam;a bowl of rice pudding;carrot soup;
hot cocoa;cinnamon buns;a crunchy apple;a bunch of grapes;mushroom stew;corn bread;a honey cake;scrambled eggs;
vegetable soup;raspberry tart;a peanut butter sandwich;lemon cake;roasted chestnuts;pea soup;a sweet pear;nut bread;
waffles with syrup;pumpkin pie;a handful of walnuts;a ginger cookie;cold lemonade;dumplings;a cup of peppermint tea;
vanilla pudding;tomato soup;a dish of beans;a bun with raisins;fresh berries;banana bread;a slice of melon"""

# what is cooked | three things that go in | what was forgotten or wrong
DISHES = """
a birthday cake|flour;eggs;sugar|salt
apple pie|apples;butter;cinnamon|sugar
cookies|butter;oats;raisins|flour
vegetable soup|carrots;peas;potatoes|salt
pancakes|milk;flour;eggs|butter
bread|flour;water;yeast|salt
a fruit salad|pears;grapes;plums|honey
muffins|blueberries;milk;sugar|eggs
berry jam|berries;sugar;lemon|patience
pizza|dough;tomatoes;cheese|cheese
pudding|milk;vanilla;sugar|cornstarch
a big stew|beans;onions;mushrooms|pepper
dumplings|dough;cabbage;onions|salt
gingerbread|honey;ginger;flour|baking powder
waffles|eggs;milk;butter|sugar
"""

# ---------------------------------------------------------------------------------------------- places and times

# place | at, in or on | spots | things to see there | what it offers to activities
PLACES = """
the park|in|under the bench;behind the fountain;by the swings;near the duck pond;beside the slide;between the rose bushes;under the tall oak tree;next to the sandbox|the ducks;the swings;the old man with the hat;the fountain|nature;water|@town
the playground|at|under the slide;behind the swings;in the sandbox;beside the seesaw;near the gate;below the climbing ropes;under the big bench|the seesaw;the big slide;the swings;the other children||@town
the beach|at|under the red umbrella;behind a rock;near the waves;beside a sand hill;next to an old boat;between two towels;under the pier|the waves;the sailboats;the gulls;the lighthouse|nature;water|@summer
the garden|in|under the apple tree;behind the shed;among the tulips;near the gate;beside the well;between the bean rows;under the wheelbarrow;next to the water barrel|the bees;the roses;the tall beans;the scarecrow|nature|@spring,summer,autumn
the farm|at|behind the barn;in the hay;near the chicken coop;beside the tractor;under the cart;next to the pig pen;by the water trough|the cows;the hens;the tractor;the sleepy pigs|nature
the yard|in|under the porch;behind the fence;near the dog house;beside the wood pile;next to the trash can;under the clothes line;by the back steps|the laundry;the neighbor's dog;the wood pile;the tall fence|nature|@town
the school yard|in|behind the door;under the stairs;beside the bike stand;near the flag;by the chestnut tree;next to the ball court|the big kids;the flag;the bell;the teacher||@town
the lake|at|under the old dock;behind the reeds;near the boat house;beside a flat stone;among the water lilies;next to a canoe|the swans;the little boats;the reeds;the silver fish|nature;water|@spring,summer,autumn
the market|at|behind the fruit stand;under a table;near the fish man;beside the flower cart;next to the bread stall;between two barrels|the flower cart;the heaps of oranges;the baker;the man with the balloons||@town
the village square|in|under the big clock;behind the well;near the bakery;beside the statue;next to the church steps;by the bus stop|the clock;the pigeons;the statue;the baker||@town
the forest|in|under a fern;behind a mossy stump;beside the fallen tree;near the stream;between two roots;in a pile of leaves;under a pine tree;next to a ring of mushrooms|the tall trees;the mushrooms;the mossy stones;the woodpecker|nature;water
the meadow|in|under a daisy;behind the hay stack;near the brook;beside a round stone;in the long grass;by the wooden gate;next to a mole hill|the wild flowers;the hay;the butterflies;the brook|nature;water|@spring,summer,autumn
the pond|at|under a lily leaf;behind the cattails;beside the willow;near the muddy bank;next to the stepping stones;by the old log|the frogs;the dragonflies;the willow;the ripples|nature;water|@spring,summer,autumn
the hill|on|behind the big rock;under the lone tree;near the path;beside a thorn bush;next to the stone wall;in a hollow|the far houses;the clouds;the winding road;the sheep|nature
the river|at|under the bridge;behind the rushes;near the water wheel;beside the ferry;on the pebbles;next to a willow root|the rapids;the fishermen;the bridge;the jumping fish|nature;water
the orchard|in|under a pear tree;behind the ladder;beside the baskets;near the hedge;next to the cider press;in the tall clover|the apples;the ladders;the baskets;the wasps|nature|@summer,autumn
the zoo|at|behind the bear rock;under the snack table;near the monkeys;beside the elephant house;next to the pony ring;by the seal pool|the monkeys;the elephants;the seals;the giraffes||@town
the woods|in|behind a birch;under the brambles;beside the badger path;near the old well;inside a hollow log;between the ferns;next to the ant hill|the birches;the ants;the ferns;the moonlit path|nature
the clearing|in|under the crooked tree;behind a tall thistle;beside the flat rock;near the spring;in the clover;next to a rotten stump|the sunbeams;the thistles;the dancing gnats;the flat rock|nature|@woods,spring,summer,autumn
the old mill|at|behind the wheel;under the stairs;beside the flour sacks;near the stream;next to the broken cart;by the mossy wall|the wheel;the swallows;the flour sacks;the stream|nature;water
the berry patch|in|under the raspberry canes;behind the fence post;beside a basket;near the ditch;in the thick leaves;next to the beehive|the berries;the bees;the ripe canes;the ditch|nature|@summer
the frozen lake|at|behind a snow pile;beside the bench;near the ice hole;under the bare willow;next to the sled|the skaters;the icicles;the bare trees;the blue ice|nature|@winter
the snowy field|in|behind a snowdrift;under the fir tree;beside the fence;near the frozen brook;next to the hay barn|the white hills;the fir trees;the crows;the footprints|nature|@winter
the train station|at|under the bench;behind the ticket booth;beside a suitcase;near the stairs;next to the newspaper stand|the trains;the big clock;the suitcases;the man with the whistle||@town
the vegetable patch|in|under a cabbage;behind the bean poles;beside the compost;near the scarecrow;between the lettuce rows;next to the watering can|the cabbages;the bean poles;the snails;the scarecrow|nature|@spring,summer,autumn
"""

# season | weather words | what nature did
SEASONS = """
spring|sunny;warm;rainy;breezy;fresh;mild;bright|The trees were full of blossoms.;Tiny green leaves were opening everywhere.;The birds were building nests.;The snow was gone, and the brooks ran fast.;Tulips stood in neat rows.;Rain drops hung on every twig.;Lambs were jumping in the fields.;The air was full of pollen and bees.;Everything smelled of wet earth.;A rainbow stood over the roofs.
summer|hot;sunny;bright;warm;golden;lazy;cloudless|The sun was high and the sky was blue.;The grass was warm under bare feet.;Crickets sang in the tall grass.;Cherries hung on the trees like earrings.;Even the dog was too hot to bark.;Butterflies danced over the flowers.;White clouds sailed by like ships.;The road shimmered in the heat.;Swallows dipped and turned in the air.;The air smelled of cut hay.
autumn|windy;cool;cloudy;foggy;crisp;golden;gray|Red and yellow leaves covered the ground.;The wind played with the leaves.;Apples dropped into the grass.;Geese flew south in a long line.;Mushrooms had popped up overnight.;The fog sat on the fields like milk.;Spider webs sparkled with dew.;Chestnuts lay all over the path.;The evenings came early now.;Smoke curled from the chimneys.
winter|cold;snowy;frosty;icy;clear;gray;chilly|Snow covered the roofs and the trees.;Icicles hung from the branches.;The air was so cold that it tickled.;Fresh snow squeaked under every step.;The puddles had turned to ice.;Big snowflakes floated down.;The windows were full of frost flowers.;A small robin sat in a bare bush.;The sun was low and pale.;The whole world looked like a cake with sugar on top.
"""

TIMES = "morning;morning;afternoon;afternoon;day;day"

# what one likes to do | what the place must offer
ACTIVITIES = """
run/ran/running races|
climb/climbed/climbing trees|nature
pick/picked/picking wild flowers|nature|@spring,summer
jump/jumped/jumping in puddles||@spring,autumn
roll/rolled/rolling down grassy slopes|nature|@spring,summer
collect/collected/collecting smooth stones|
count/counted/counting the birds|
look/looked/looking for shapes in the clouds|
sing/sang/singing silly songs|
tell/told/telling riddles|
play/played/playing hide-and-seek|
play/played/playing tag|
draw/drew/drawing pictures with a stick|
hop/hopped/hopping from stone to stone|water|@spring,summer,autumn
stack/stacked/stacking pebbles|
spin/spun/spinning in circles|
make/made/making up stories|
dance/danced/dancing to the wind|nature
watch/watched/watching the ants march|
catch/caught/catching falling leaves|nature|@autumn
rake/raked/raking leaves into piles|nature|@autumn
gather/gathered/gathering acorns|nature|@autumn
throw/threw/throwing snowballs||@winter
make/made/making snow angels|nature|@winter
slide/slid/sliding on the ice|nature|@winter
follow/followed/following tracks in the snow|nature|@winter
blow/blew/blowing dandelion seeds|nature|@spring,summer
chase/chased/chasing butterflies|nature|@spring,summer
wade/waded/wading in the brook|water|@summer
splash/splashed/splashing in the water|water|@summer
feed/fed/feeding the ducks|water|@town
play/played/playing pirates|
play/played/playing school||@town
pretend/pretended/pretending to be dragons|
pretend/pretended/pretending to be knights|
pretend/pretended/pretending to be trains||@town
whistle/whistled/whistling like the birds|
pick/picked/picking berries|nature|@summer
dig/dug/digging for treasure|
build/built/building little towers|
skip/skipped/skipping stones|water|@spring,summer,autumn
listen/listened/listening to the birds|
look/looked/looking for bugs||@spring,summer,autumn
paint/painted/painting pictures|
read/read/reading stories|
bake/baked/baking mud pies|nature|@spring,summer
swing/swung/swinging from branches|nature
march/marched/marching like a band|
sort/sorted/sorting buttons||@town
play/played/playing catch|
walk/walked/walking along the wall|
make/made/making crowns of flowers|nature|@spring,summer
make/made/making boats of bark|
hunt/hunted/hunting for four-leaf clovers|nature|@spring,summer
ride/rode/riding a bike||@town
fly/flew/flying paper planes||@town
learn/learned/learning new words|
water/watered/watering the flowers|nature|@spring,summer
watch/watched/watching the stars|
search/searched/searching for mushrooms|nature|@autumn
crack/cracked/cracking nuts|nature|@autumn
explore/explored/exploring secret paths|nature
measure/measured/measuring puddles||@spring,autumn
balance/balanced/balancing on logs|nature
"""
