"""The words and phrases by which `contract.followup` reads a short turn.

English, Chinese, Japanese, Korean, German, French, Spanish, Italian, Portuguese and Russian.
"""

import re


def _lexicon(words: str) -> frozenset[str]:
    return frozenset(words.split())


YES = _lexicon(
    "yes yeah yep yup ya y aye sure please pls plz absolutely definitely ja jawohl gern gerne oui ouais sí sì sim да"
)
AGREE = YES | _lexicon(
    "ok okay k kk alright right correct exactly certainly indeed agreed sounds good fine course klar bitte genau d'accord "
    "accord volontiers plaît sûr bien s'il si claro que vale favor por certo ага конечно хорошо пожалуйста"
)
AGREE_MARKS = "👍👌✅✔🆗🙌💯"
"""Marks that agree without a word."""

REFUSE_MARKS = "👎❌✖🚫⛔?？"
"""Marks beside which those do not."""

NO = _lexicon("no maybe nope nah not never don't nein nicht non нет")
GO = _lexicon(
    "go do ahead proceed continue resume carry keep going next more again retry redo repeat finish another start begin noch weiter "
    "mach machen los nochmal fort continuez poursuis poursuivez vas-y vas allez allez-y encore un une fais hazlo adelante sigue "
    "continúa continua procede vai avanti ancora fallo faça prossiga продолжай продолжайте дальше давай давайте ещё еще сделай"
)
"""Ask to go on, or to do what was said."""

NEUTRAL = _lexicon(
    "it that this so for let's lets let me us you the a an and then now just to i'd i'll i would will can like love one thing "
    "be question step part on with of off in all too if as want by das es mal mir uns te vous hm hmm um uh oh ah well le la les ça cela y lo eso el il e o isso fazer pode это"
)
"""Say nothing of their own."""

THANKS = _lexicon(
    "thanks thank thx ty tysm cheers appreciate appreciated danke dank merci gracias grazie obrigado obrigada спасибо "
    "hi hello hey bye goodbye hallo tschüss bonjour salut hola adiós ciao olá привет пока"
)
CLOSE = NO | _lexicon(
    "great perfect nice cool awesome excellent wonderful amazing brilliant lovely super neat wow helpful helps hahaha trick did works worked got gotcha "
    "understood understand see makes sense noted lol haha need mind nevermind enough done stop that's it's is was very much "
    "really lot your help my morning afternoon evening night day there how are what needed looking answer explanation worries "
    "problem later tomorrow soon job well vielen sehr beaucoup muchas muito mille c'est parfait génial perfecto perfekt toll prima отлично понятно"
)
"""Praise, refuse or end a conversation."""

ANY_PLAIN = AGREE | GO | NEUTRAL | THANKS | CLOSE
SAYS_NOTHING = (
    GO
    | NEUTRAL
    | _lexicon(
        "details detail information examples example anything else help something we my your from here any which what"
    )
)
"""Words of an offer that does not say what it offers."""

WEAK_VERBS = _lexicon(
    "use give make show tell put please kindly try take do go keep start finish pick choose repeat select"
)
"""Verbs of instruction that name no task."""

MANNER_VERBS = WEAK_VERBS | _lexicon(
    "answer reply respond write say help be provide check return format state produce work could can would"
)
"""Verbs by which a system prompt says how to answer, and not what."""

WORD = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
STRONG_GO = re.compile(
    r"\b(?:do (?:it|that|this|so|them|both|the same)|go (?:on|ahead|for it)|proceed|continue|carry on|keep going|resume|"
    r"would be (?:great|good|nice|lovely|perfect|helpful|awesome|wonderful)|i'd (?:like|love) that)\b|\bthat'd be \w"
)
_PLACES = (
    "first 1st former 1 one a erste ersten premier première primero primera primo prima 一",
    "second 2nd 2 two b zweite zweiten deuxième segundo segunda secondo seconda 二",
    "third 3rd 3 three c dritte dritten troisième tercero tercera terzo 三",
    "fourth 4th 4 four d vierte 四",
    "fifth 5th 5 five e fünfte 五",
)
PLACE = {word: place for place, words in enumerate(_PLACES) for word in words.split()} | dict.fromkeys(
    ("last", "latter", "letzte", "dernier", "dernière", "último", "última"), -1
)
"""Which item of a list a word names."""

_PLACE = "|".join(sorted(PLACE, key=len, reverse=True))
CHOICE = re.compile(
    r"(?:(?:no|yes|yeah|ok|okay|sure|ja|oui|sí|thanks|great|maybe|actually|now|then|let's|and|try|take|use|do|go|with|for|pick|"
    r"choose|prefer|i|i'd|like|the|das|die|den|le|la|el|option|number|choice|approach|item|point|step|answer|version)[\s,]+)*"
    rf"(?:#?({_PLACE})(?: (?:and|or|und|et|y) (?:the )?#?(?:{_PLACE}))*|both|either|neither|all(?: of)? (?:the )?(?:them|these|those|two|three|four)|"
    r"the other|l'autre)"
    r"(?:[\s,]+(?:one|ones|option|approach|version|idea|method|way|choice|solution|suggestion|part|example|question|problem|step|"
    r"two|please|then|instead|again|bitte|por favor|s'il te plaît|s'il vous plaît))*"
)
LEAD = re.compile(
    r"(?:(?:ok|okay|yes|no|great|thanks|cool|right|hm+)[\s,]+)*(?:(?:and|or|but|also|plus|so|now|then)\b[\s,]*)?"
    r"(?:what about|how about|what if|same|instead|except|for example|like what|such as|let's (?:go with|use|try|take)|"
    r"i(?:'d| would)? (?:prefer|choose|pick|go with))\b|"
    r"(?:(?:ok|okay|yes|no|great|thanks|cool|right|hm+)[\s,]+)*(?:and|or|but|also|plus)\b"
)
FRAGMENT = re.compile(
    r"(?:(?:ok|now|then|so|but|and)[\s,]+)*(?:with|without|for|in|at|using|from|by|under|on|as|per)\b"
)
"""How a turn of a few words begins that has no verb at all."""

FOREIGN_LEAD = re.compile(
    r"¿?(?:und|oder|aber|was ist mit|wie ist es mit|et|ou|mais|qu'en est-il|y|o|pero|qué tal|e|mas|ma|а|и|или|но|что насч[её]т)\b"
)
WHY = re.compile(
    r"(?:(?:but|and|ok|so|hm+|aber|mais|pero|ma|но)[\s,]+)*(?:(?:why|how|where|when|who|warum|wieso|weshalb|pourquoi|perché|почему|"
    r"por qué)(?: [^\s?]+)?|(?:what|which) (?:else|one|now|next|then)|so|then|(?:are you )?(?:really|sure|certain)|"
    r"is (?:that|this|it) (?:right|correct|true|so)|for example)"
)
OTHER = re.compile(
    r"\b(?:again|instead|another|one more|once more|the rest|the same|the next|likewise|noch ein\w*|un autre|otra vez|ещё раз)\b"
)
WH = re.compile(
    r"\b(?:what|which|who|whom|whose|when|where|why|how)\b(?! (?:many|much) (?:in|for|of|at|on|by|from|with)\b)"
)
VERB = re.compile(r"\b(?:is|are|was|were|do|does|did|can|could|will|would|should|has|have|had)\b|\bwho \S+ \S")

CJK = re.compile(r"[\u3040-\u30ff\u4e00-\u9fff\uac00-\ud7af]")
CJK_MARKS = re.compile(r"[\s。．，、,.!！~～…]+")
CJK_THANKS = re.compile(
    r"谢|謝|辛苦|明白了|知道了|懂了|太好了|太棒了|再见|你好|您好|ありがと|助かりま|わかりました|こんにちは|감사|고마|안녕"
)
CJK_AGREE = re.compile(
    r"(?:好的?|好啊|好吧|是的?|是啊|对的?|對|行|可以|嗯|没问题|沒問題|当然|當然|要|需要|请|請|麻烦你?了?|はい|ええ|うん|"
    r"お願いします|おねがいします|そうしてください|네|예|응|그래요?|좋아요?|부탁해요|부탁드립니다|吧|的)+"
)
CJK_GO = re.compile(
    r"继续|繼續|接着|开始|開始|执行|做吧|去做|这么做|這麼做|就这样|请做|再来|再來|再试|下一[个步]|换一?[个种]|続け|つづけ|進めて|やって|"
    r"もう一度|もっと|次(?:へ|に|を|お願)|계속|진행|다시"
)
CJK_MORE = re.compile(
    r"(?:那|那么|那麼)?.{1,24}呢|第[一二三四五六七八九十\d]+.{0,8}|为什么|為什麼|为何|怎么会|真的吗|换成.{1,16}|同样.{0,16}|"
    r"(?:じゃあ|では|それでは)?.{1,24}は|.{0,4}(?:つ目|番目).{0,10}|なぜ(?:ですか)?|どうして(?:ですか)?|그럼.{1,20}|왜요?|.{0,3}번째.{0,8}"
)
CJK_WH = re.compile(r"什么|什麼|谁|誰|哪|多少|几|吗|嗎|何|いつ|どこ|누구|무엇|뭐|어디|언제")
CJK_PLACE = re.compile(r"第([一二三四五]|\d)")

COURTESY = re.compile(
    r"\b(?:any(?:thing|one)? (?:else|other|more|questions?|specific)|help you|assist you|what else|how can i|what can i|"
    r"on your mind|how are you)\b",
    re.IGNORECASE,
)
"""Questions that a turn need not answer."""

OFFER = re.compile(
    r"\b(?:shall|should|may|can|could) (?:i|we)\b|\b(?:do|would) you (?:want|like|prefer)(?: (?:me|us))?(?: to)?\b|\bwant me to\b|"
    r"\b(?:let me know |just say )?(?:if|whether) you(?:'d| would)?(?: (?:like|want|prefer|wish)| need)(?: (?:me|us))?(?: to)?\b|"
    r"\bi (?:can|could) also\b|\bi(?:'d| would|'m| am)(?: also)?(?: be)? (?:happy|glad) to\b|\bwould it help if i\b|\bhow about i\b|"
    r"\bsoll(?:en|te)? (?:ich|wir)\b|\b(?:möchtest du|möchten sie|willst du|wollen sie)\b(?:,? dass ich)?|"
    r"\b(?:voulez-vous|veux-tu|souhaitez-vous|souhaites-tu)\b(?: que je)?|\b(?:dois-je|puis-je)\b|"
    r"\b(?:quieres|quiere|desea|deseas|te gustaría|le gustaría)\b(?: que)?|\b(?:vuoi|vuole|desidera) che\b|"
    r"\b(?:quer|gostaria)\b(?: que eu)?|\b(?:хотите|хочешь)\b(?:,? чтобы я)?|(?:是否)?需要我|要不要我|要我|我可以(?:帮你|为你|为您)?|"
    r"ましょうか|드릴까요|할까요",
    re.IGNORECASE,
)
OFFER_CONTINUED = re.compile(r"[\s,]*(?:i (?:can|could|will|would)|i'll|i'd)(?: also)?\b", re.IGNORECASE)
SENTENCE = re.compile(r"[^.!?。？！\n]+[.!?。？！]*")
AFTER_A_QUESTION = " \n\t)*_\"'”’」😊🙂👍"
ITEM = re.compile(r"^[ \t]*(?:[-*•]|\(?(?:\d{1,2}|[A-Ea-e])[.):])[ \t]+(\S[^\n]{0,300})", re.MULTILINE)
