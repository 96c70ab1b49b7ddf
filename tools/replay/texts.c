// tidy: table
#include "tools/replay/texts.h"

#include "runtime/base/check.h"

#define TEMPLATES_MAX 16

static const char *const names[] = {
    "Camila",  "Andrés",    "Valentina", "Santiago", "Daniela",  "Juan David", "Mariana",
    "Sebastián", "Laura",   "Carlos",    "Natalia",  "Felipe",   "Paola",      "Jorge",
    "Luisa",   "Diego",     "Sandra",    "Miguel",   "Adriana",  "Óscar",      "Marcela",
    "Hernán",  "Ángela",    "Wilson",    "Yolanda",  "Fabián",   "Claudia",    "Íngrid",
    "Julián",  "Esperanza",
};

static const char *const templates[TEXTS_TOPICS][TEMPLATES_MAX] = {
    [TEXTS_WHERE] = {
        "Buenos días, ¿me pueden decir dónde va mi pedido {pedido}?",
        "Hola, quisiera saber cuándo llega {producto} a {ciudad}.",
        "¿Ya despacharon el pedido {pedido}? No me ha llegado la guía.",
        "Hola, soy {nombre}. ¿En qué estado está mi pedido {pedido}? Gracias.",
        "Buenas tardes, la página de {transportadora} no me muestra nada del pedido {pedido}.",
        "Por favor me confirman si el pedido {pedido} sale hoy para {ciudad}.",
        "¿Me regalan el número de guía de {transportadora}? Es para el pedido {pedido}.",
        "Hola, ¿a qué hora pasa {transportadora} por {ciudad}? Estoy pendiente de {producto}.",
    },
    [TEXTS_CHANGE] = {
        "Hola, necesito cambiar la dirección de entrega del pedido {pedido}, ¿todavía se puede?",
        "¿Pueden entregar el pedido {pedido} en la portería? Trabajo hasta las 6.",
        "Buenas, ¿me pueden reprogramar la entrega para el sábado por la mañana?",
        "Quiero recoger el pedido {pedido} en la oficina de {transportadora} en {ciudad}, ¿cómo hago?",
        "El teléfono que dejé está malo, por favor llamen al que tengo en WhatsApp. Pedido {pedido}.",
    },
    [TEXTS_IMPATIENT] = {
        "Me dijeron que {producto} llegaba hoy y todavía no aparece. ¿Qué pasó?",
        "Llevo {dias} esperando el pedido {pedido}, ¿me pueden dar una respuesta?",
        "La guía no se mueve hace rato. ¿{transportadora} sí tiene mi paquete?",
        "Necesito el pedido {pedido} urgente, es un regalo. ¿Llega o no llega?",
        "En {ciudad} nadie de {transportadora} contesta. ¿Ustedes me pueden ayudar?",
        "Otra vez me cambiaron la fecha de entrega. ¿Cuándo llega de verdad?",
        "Hola, el pedido {pedido} ya debía estar aquí. Quedo atento, {nombre}.",
    },
    [TEXTS_ANGRY] = {
        "Es el colmo: {dias} de retraso y nadie responde por el pedido {pedido}.",
        "Ya escribí dos veces. Si no llega mañana quiero que me devuelvan la plata.",
        "Pésimo servicio, {transportadora} dice que la culpa es de ustedes y ustedes que de ellos.",
        "Estoy muy molesto, pedí {producto} con tiempo y me hicieron quedar mal.",
        "Voy a poner la queja en la Superintendencia si no me solucionan el pedido {pedido} hoy.",
        "No vuelvo a comprar con ustedes. ¿Dónde está mi pedido {pedido}?",
    },
    [TEXTS_LATE] = {
        "El pedido {pedido} no ha llegado y la fecha prometida ya pasó.",
        "Mi pedido lleva {dias} de retraso en {ciudad}, necesito una solución.",
        "{transportadora} no ha entregado {producto}; en la guía sale en bodega desde hace días.",
        "Prometieron entregar en la fecha y no cumplieron. Pedido {pedido}.",
        "Sigo esperando {producto}. Nadie me dice una fecha cierta de entrega.",
        "La entrega está vencida y {transportadora} no da razón.",
    },
    [TEXTS_DAMAGED] = {
        "{producto} llegó roto, la caja venía golpeada y mojada.",
        "Recibí el pedido {pedido} con el empaque abierto y el producto rayado.",
        "Abrí la caja y {producto} no enciende, parece que lo tiraron.",
        "La caja llegó aplastada, {producto} está partido en una esquina. Tengo fotos.",
        "Todo venía mojado por la lluvia, el pedido {pedido} no sirve así.",
    },
    [TEXTS_LOST] = {
        "{transportadora} dice que el paquete se extravió, quiero la devolución del dinero.",
        "La guía dice entregado pero a mí no me ha llegado nada. Pedido {pedido}.",
        "Hace más de una semana que nadie sabe dónde está el pedido {pedido}.",
        "El paquete salió de bodega y nunca llegó a {ciudad}. ¿Se perdió?",
    },
    [TEXTS_WRONG_ITEM] = {
        "Pedí {producto} y me llegó otra cosa.",
        "Me enviaron la talla que no era, pedido {pedido}. Necesito el cambio.",
        "Llegó solo la mitad del pedido {pedido}, falta un artículo.",
        "El color no es el que compré. ¿Cómo hago para devolver {producto}?",
    },
    [TEXTS_BILLING] = {
        "Me cobraron dos veces el pedido {pedido}.",
        "La factura del pedido {pedido} salió a otro nombre, necesito corregirla.",
        "El envío aparecía gratis y me cobraron flete.",
        "Cancelé la compra hace {dias} y no veo el reembolso en el banco.",
    },
    [TEXTS_OTHER] = {
        "El mensajero de {transportadora} fue muy grosero en la entrega.",
        "Dejaron el pedido {pedido} con un vecino sin avisar.",
        "Quiero la garantía de {producto} y nadie me explica el trámite.",
    },
    [TEXTS_SCORE_1] = {
        "Pésimo. {producto} llegó {dias} tarde y nadie respondió.",
        "Nunca más compro aquí, {transportadora} es un desastre en {ciudad}.",
        "Muy mala experiencia, tuve que llamar todos los días.",
        "No cumplieron con la fecha y encima el empaque llegó dañado.",
        "Qué decepción. Les compro hace años y ya no son confiables.",
        "Un cero si pudiera. Me hicieron perder el día esperando.",
    },
    [TEXTS_SCORE_2] = {
        "Llegó tarde y sin avisar. El producto está bien.",
        "{transportadora} dejó el paquete donde no era, tocó ir a buscarlo.",
        "El producto sirve pero la entrega fue mala.",
        "Mucha demora para {ciudad}, esperaba más.",
        "Dos intentos fallidos porque no timbraron. Regular tirando a malo.",
    },
    [TEXTS_SCORE_3] = {
        "Normal, se demoró un poco más de lo que decía.",
        "Bien el producto, la entrega regular.",
        "Ni bueno ni malo. El mensajero de {transportadora} fue amable.",
        "La caja llegó maltratada pero {producto} está bien.",
        "Cumplieron, aunque la guía nunca se actualizó.",
    },
    [TEXTS_SCORE_4] = {
        "Todo bien, llegó en la fecha. Falta que avisen la hora.",
        "Buen producto y buen precio, entrega correcta en {ciudad}.",
        "Contenta con la compra, el empaque podría mejorar.",
        "{transportadora} llegó puntual. Recomendado.",
        "Buen servicio, volvería a comprar.",
        "{producto} es como en la foto, la entrega sin problemas.",
    },
    [TEXTS_SCORE_5] = {
        "Excelente, llegó antes de lo esperado a {ciudad}.",
        "Todo perfecto, {producto} es de muy buena calidad.",
        "Muy buen servicio de {transportadora}, me avisaron antes de llegar.",
        "¡Súper rápido! Gracias, {nombre}.",
        "Siempre compro aquí y siempre cumplen.",
        "Encantada con {producto}, mil gracias.",
        "Diez de diez. Empaque impecable y entrega puntual.",
        "Recomendadísimos, atención excelente.",
    },
    [TEXTS_NOTE_RAIN] = {
        "Lluvia fuerte en {ciudad}, ruta suspendida",
        "Vía inundada, se reprograma el recorrido",
        "Aguacero, mercancía resguardada en bodega",
    },
    [TEXTS_NOTE_ROAD] = {
        "Derrumbe en la vía a {ciudad}, paso restringido",
        "Cierre vial por obras, llegada demorada",
        "Paro de transportadores en la vía",
        "Vehículo varado en carretera, se hace trasbordo",
    },
    [TEXTS_NOTE_HUB] = {
        "Represado en bodega {ciudad} por volumen",
        "Paquete mal clasificado, se reenvía",
        "No alcanzó la ruta de hoy",
        "En espera de cupo en el vehículo",
    },
    [TEXTS_NOTE_ABSENT] = {
        "No había quién recibiera",
        "Se llamó dos veces, no contesta",
        "Casa cerrada, se deja aviso",
    },
    [TEXTS_NOTE_ADDRESS] = {
        "La nomenclatura no existe",
        "Falta el número del apartamento",
        "La dirección es de otra ciudad",
        "En la dirección no conocen al destinatario",
    },
    [TEXTS_NOTE_REFUSED] = {
        "El cliente dice que ya no lo quiere",
        "Rechazado, el empaque está golpeado",
        "No tiene el dinero del contraentrega",
    },
    [TEXTS_NOTE_UNSAFE] = {
        "Zona de difícil acceso, no se ingresa después de las 5",
        "Sector inseguro, se requiere punto de encuentro",
    },
    [TEXTS_NOTE_CLOSED] = {
        "Oficina cerrada",
        "Portería no recibe paquetes a esta hora",
        "Local cerrado al mediodía",
    },
    [TEXTS_NOTE_VEHICLE] = {
        "Moto varada, se devuelve a bodega",
        "Pico y placa, no alcanzó el recorrido",
        "El paquete no cabe en el vehículo",
    },
    [TEXTS_LEAVE] = {
        "Demasiados retrasos",
        "Mala atención después de un reclamo",
        "Se pasó a otra tienda por el tiempo de entrega",
        "No le solucionaron el pedido {pedido}",
    },
};

size_t
texts_templates(texts_topic topic)
{
    size_t count = 0;

    RT_ASSERT(topic < TEXTS_TOPICS);
    while (count < TEMPLATES_MAX && templates[topic][count] != NULL) {
        count++;
    }
    return count;
}

const char *
texts_name(uint32_t salt)
{
    return names[salt % RT_COUNT(names)];
}

// Writes what stands for the variable at the beginning of `at`; returns how much it read.
static size_t
write_variable(rt_text *out, rt_str at, const texts_values *v)
{
    const struct {
        rt_str name;
        const char *value;
    } known[] = {
        {RT_STR("{pedido}"), v->order},     {RT_STR("{ciudad}"), v->city},
        {RT_STR("{producto}"), v->product}, {RT_STR("{transportadora}"), v->carrier},
        {RT_STR("{nombre}"), v->name},
    };

    for (size_t i = 0; i < RT_COUNT(known); i++) {
        if (rt_str_starts(at, known[i].name)) {
            rt_text_cstr(out, known[i].value);
            return known[i].name.len;
        }
    }
    RT_ASSERT(rt_str_starts(at, RT_STR("{dias}"))); // the tables above know no other
    rt_text_printf(out, "%lld %s", (long long)v->days, v->days == 1 ? "día" : "días");
    return sizeof("{dias}") - 1;
}

void
texts_write(rt_text *out, texts_topic topic, uint32_t salt, const texts_values *values)
{
    size_t count = texts_templates(topic);
    rt_str rest;
    size_t begin = out->len;

    RT_ASSERT(count > 0); // every topic has texts
    rest = rt_str_of(templates[topic][salt % count]);
    while (rest.len > 0) {
        const char *brace = memchr(rest.ptr, '{', rest.len);
        size_t plain = brace != NULL ? (size_t)(brace - rest.ptr) : rest.len;

        rt_text_put(out, rest.ptr, plain);
        rest = (rt_str){rest.ptr + plain, rest.len - plain};
        if (rest.len > 0) {
            size_t used = write_variable(out, rest, values);

            rest = (rt_str){rest.ptr + used, rest.len - used};
        }
    }
    if (out->len > begin && out->ptr[begin] >= 'a' && out->ptr[begin] <= 'z') {
        out->ptr[begin] = (char)(out->ptr[begin] - 'a' + 'A'); // "la caja…" opens a sentence
    }
}
