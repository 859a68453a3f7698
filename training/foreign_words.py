"""Frequent words of languages in Latin letters that an English encoder reads without understanding: stuff for made-up texts."""

FOREIGN_WORDS: dict[str, tuple[str, ...]] = {
    language: tuple(words.split())
    for language, words in {
        "German": "Guten Tag Hauptstadt Hallo danke Wer der die das und ist nicht ein eine zu mit auf für von wie viel was warum wann bitte schreibe erkläre berechne kannst du mir "
        "haben werden sind wenn aber auch jeder zwei drei Stunde Euro Brief Beispiel Frage Antwort zwischen kurze Zusammenfassung Satz heute",
        "French": "bonjour merci capitale quel quelle salut le la les un une des et est pas que qui dans pour avec sur comment combien pourquoi quand écris explique calcule peux-tu "
        "moi sont avoir faire plus très chaque deux trois heures euros lettre exemple question réponse entre résumé phrase aujourd'hui nous vous",
        "Spanish": "hola gracias capital cuál buenos días el la los las un una y es no que de en para con por cómo cuánto qué cuándo escribe explica calcula puedes me son tener "
        "hacer más muy cada dos tres horas euros carta ejemplo pregunta respuesta entre resumen frase hoy nosotros correo mi su este todo",
        "Italian": "ciao grazie capitale qual buongiorno il lo la gli le un una e è non che di in per con su come quanto perché quando scrivi spiega calcola puoi mi sono avere fare "
        "più molto ogni due tre ore euro lettera esempio domanda risposta tra riassunto frase oggi noi questo tutto della nella",
        "Portuguese": "olá obrigado capital qual bom dia o a os as um uma e é não que de em para com por como quanto porquê quando escreva explique calcule você me são ter fazer "
        "mais muito cada dois três horas reais carta exemplo pergunta resposta entre resumo frase hoje nós este tudo uma pela também",
        "Dutch": "hallo dank hoofdstad wat wie goedendag de het een en is niet dat van in voor met op hoe hoeveel waarom wanneer schrijf leg uit bereken kun je mij zijn hebben doen "
        "meer zeer elke twee drie uur euro brief voorbeeld vraag antwoord tussen samenvatting zin vandaag wij deze alles naar ook",
        "Swedish": "hej tack huvudstad vad vem och att det är inte en ett som på för med hur mycket varför när skriv förklara beräkna kan du mig har vara göra mer varje två "
        "tre timmar kronor brev exempel fråga svar mellan sammanfattning mening idag vi detta alla från också mycket eller",
        "Danish": "hej tak hovedstad hvad hvem og at det er ikke en et som på til for med hvordan hvor meget hvorfor hvornår skriv forklar beregn kan du mig har være gøre mere "
        "hver to tre timer kroner brev eksempel spørgsmål svar mellem resumé sætning i dag vi dette alle fra også",
        "Polish": "dzień dobry dziękuję stolica co kto i w na nie to jest się z do jak ile dlaczego kiedy napisz wyjaśnij oblicz czy możesz mi są mieć zrobić więcej bardzo każdy dwa "
        "trzy godziny złotych list przykład pytanie odpowiedź między streszczenie zdanie dzisiaj my ten wszystko dla przez który",
        "Czech": "ahoj děkuji hlavní město co kdo a v na není to je se z do jak kolik proč kdy napiš vysvětli vypočítej můžeš mi jsou mít udělat více velmi každý dva tři hodiny "
        "korun dopis příklad otázka odpověď mezi shrnutí věta dnes my tento všechno pro který nebo také",
        "Turkish": "merhaba teşekkürler başkent kim ve bir bu ne için ile nasıl kaç neden niçin yaz açıkla hesapla bana var yok olan daha çok her iki üç saat lira mektup örnek soru "
        "cevap arasında özet cümle bugün biz hepsi gibi kadar sonra lütfen misin midir hangi kısa hikaye",
        "Romanian": "bună mulțumesc capitala cine și în la nu este un o care cu pentru cum cât de ce când scrie explică calculează poți să îmi sunt avea face mai foarte fiecare doi "
        "trei ore lei scrisoare exemplu întrebare răspuns între rezumat propoziție astăzi noi acest toate din prin",
        "Hungarian": "szia köszönöm főváros mi ki a az és nem egy hogy van mennyi hogyan miért mikor írj magyarázd számold ki tudsz nekem vannak több nagyon minden két három óra "
        "forint levél példa kérdés válasz között összefoglaló mondat ma mi ez mind vagy is meg kell lehet",
        "Finnish": "hei kiitos pääkaupunki mikä kuka Australian ja on ei se että mitä miten kuinka paljon miksi milloin kirjoita selitä laske voitko minulle ovat olla tehdä enemmän hyvin joka kaksi "
        "kolme tuntia euroa kirje esimerkki kysymys vastaus välillä tiivistelmä lause tänään me tämä kaikki myös",
        "Indonesian": "halo terima kasih ibu kota apa siapa dan yang di ke tidak ini itu untuk dengan bagaimana berapa mengapa kapan tulis jelaskan hitung bisa saya adalah punya buat lebih "
        "sangat setiap dua tiga jam rupiah surat contoh pertanyaan jawaban antara ringkasan kalimat hari kami semua dari pada tolong",
        "Vietnamese": "xin chào cảm ơn thủ đô gì ai và là không có của cho với trong một này như thế nào bao nhiêu tại sao khi viết giải thích tính bạn tôi được làm hơn rất mỗi hai ba "
        "giờ đồng thư ví dụ câu hỏi trả lời giữa tóm tắt hôm nay chúng ta tất cả hãy giúp",
        "Swahili": "habari asante mji mkuu nani na ya wa kwa ni si katika hii hiyo jinsi gani ngapi kwa nini lini andika eleza hesabu unaweza mimi kuwa fanya zaidi sana kila mbili tatu "
        "saa shilingi barua mfano swali jibu kati muhtasari sentensi leo sisi wote pia au kama",
        "Tagalog": "kumusta salamat kabisera sino ang ng sa mga at hindi ay ito iyan para kung paano magkano bakit kailan isulat ipaliwanag kalkulahin maaari mo ako ba may gawin mas napaka "
        "bawat dalawa tatlo oras piso liham halimbawa tanong sagot pagitan buod pangungusap ngayon tayo lahat",
    }.items()
}  # fmt: skip
"""Words by language, of one mind with what prompts are made of: asking, counting, writing."""
