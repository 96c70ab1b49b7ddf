// Design notes.
//
// What we write to customers, in the "usted" of Colombian service Spanish: say what happened in
// plain words, say sorry once, say what happens next, never promise what the brain cannot know.
// Notes for the service team say what to do first. tidy: table

#include "agents/customer/policy.h"

#include "runtime/base/check.h"

static const char *const option_actions[CUSTOMER_OPTIONS] = {
    [CUSTOMER_NOTIFY] = "notify_customer",
    [CUSTOMER_COMPENSATE] = "offer_compensation",
    [CUSTOMER_CALL] = "call_customer",
    [CUSTOMER_CASE] = "open_case",
    [CUSTOMER_NOTHING] = "",
};

static const char *const trigger_names[CUSTOMER_TRIGGERS] = {
    [CUSTOMER_DELAY] = "delay",         [CUSTOMER_FAILED] = "failed delivery",
    [CUSTOMER_ISSUE] = "issue",         [CUSTOMER_INQUIRY] = "inquiry",
    [CUSTOMER_FEEDBACK] = "bad rating", [CUSTOMER_CANCELLED] = "cancelled order",
};

static const char *const segment_names[CUSTOMER_SEGMENTS] = {
    [CUSTOMER_NEW] = "new",
    [CUSTOMER_REGULAR] = "regular",
    [CUSTOMER_VIP] = "vip",
    [CUSTOMER_AT_RISK] = "at risk",
};

// As the catalogue spells them.
static const char *const detail_names[CUSTOMER_DETAILS] = {
    [CUSTOMER_DETAIL_NONE] = "",       [CUSTOMER_ABSENT] = "absent",
    [CUSTOMER_WRONG_ADDRESS] = "wrong_address", [CUSTOMER_REFUSED] = "refused",
    [CUSTOMER_UNSAFE] = "unsafe",      [CUSTOMER_CLOSED] = "closed",
    [CUSTOMER_VEHICLE] = "vehicle",    [CUSTOMER_LATE] = "late",
    [CUSTOMER_DAMAGED] = "damaged",    [CUSTOMER_LOST] = "lost",
    [CUSTOMER_WRONG_ITEM] = "wrong_item", [CUSTOMER_BILLING] = "billing",
    [CUSTOMER_OTHER] = "other",
};

// Second sentence of a message about a failed delivery or an issue: what we do or need.
static const char *const detail_texts[CUSTOMER_DETAILS] = {
    [CUSTOMER_DETAIL_NONE] = "Estamos revisando qué pasó y le contamos apenas tengamos novedades.",
    [CUSTOMER_ABSENT] = "No encontramos a nadie para recibirlo. Respóndanos con el horario que más "
                        "le convenga y lo programamos de nuevo.",
    [CUSTOMER_WRONG_ADDRESS] = "No logramos ubicar la dirección. Por favor confírmenos la "
                               "dirección completa (barrio, torre, apartamento) y un teléfono.",
    [CUSTOMER_REFUSED] = "Nos informan que no fue recibido. Cuéntenos qué pasó y buscamos juntos "
                         "la mejor solución.",
    [CUSTOMER_UNSAFE] = "Por seguridad el mensajero no pudo llegar hasta su dirección. Estamos "
                        "buscando otro horario o un punto cercano para entregárselo.",
    [CUSTOMER_CLOSED] = "El lugar estaba cerrado. Respóndanos con el horario de atención y lo "
                        "llevamos de nuevo.",
    [CUSTOMER_VEHICLE] = "Tuvimos un inconveniente con el vehículo. No tiene que hacer nada: ya "
                         "estamos programando un nuevo intento.",
    [CUSTOMER_LATE] = "Entendemos lo incómoda que es la espera y ya estamos buscando su pedido con "
                      "la transportadora.",
    [CUSTOMER_DAMAGED] = "Lamentamos mucho que haya llegado en mal estado. Si puede, envíenos una "
                         "foto y le damos solución.",
    [CUSTOMER_LOST] = "Ya abrimos la búsqueda con la transportadora y no lo vamos a dejar solo "
                      "con esto.",
    [CUSTOMER_WRONG_ITEM] = "Lamentamos que haya recibido un producto equivocado. Vamos a "
                            "coordinar el cambio con usted.",
    [CUSTOMER_BILLING] = "Estamos revisando el cobro y le confirmamos el resultado por este "
                         "mismo medio.",
    [CUSTOMER_OTHER] = "Ya estamos revisando su caso y le contamos apenas tengamos novedades.",
};

static void
write_delay(const customer_case *what, rt_str order, rt_text *out)
{
    if (what->delay_hours > 0.0) {
        rt_text_printf(out, "Le pedimos disculpas: su pedido %.*s no llegó en la fecha que le "
                            "prometimos. Ya estamos haciendo seguimiento con la transportadora "
                            "para que lo reciba lo antes posible.", RT_STR_ARG(order));
        return;
    }
    rt_text_printf(out, "Queremos contarle con tiempo que su pedido %.*s podría llegar después de "
                        "la fecha prometida. Estamos haciendo todo lo posible para que no sea así "
                        "y le avisamos cualquier novedad.", RT_STR_ARG(order));
}

static void
write_order(rt_str order, rt_text *out)
{
    if (order.len > 0) {
        rt_text_printf(out, " sobre su pedido %.*s", RT_STR_ARG(order));
    }
}

static void
write_what(const customer_case *what, rt_str order, rt_text *out)
{
    switch ((customer_trigger)what->trigger) {
    case CUSTOMER_DELAY:
        write_delay(what, order, out);
        break;
    case CUSTOMER_FAILED:
        rt_text_printf(out, "Intentamos entregarle su pedido %.*s y no fue posible. %s",
                       RT_STR_ARG(order), detail_texts[what->detail]);
        break;
    case CUSTOMER_ISSUE:
        rt_text_cstr(out, "Recibimos su reporte");
        write_order(order, out);
        rt_text_printf(out, ". %s", detail_texts[what->detail]);
        break;
    case CUSTOMER_INQUIRY:
        rt_text_cstr(out, "Recibimos sus mensajes");
        write_order(order, out);
        rt_text_cstr(out, " y lamentamos la molestia. Una persona de nuestro equipo ya está "
                          "revisando su caso y le respondemos hoy mismo.");
        break;
    case CUSTOMER_FEEDBACK:
        rt_text_cstr(out, "Gracias por contarnos su experiencia");
        write_order(order, out);
        rt_text_cstr(out, ". Lamentamos no haber estado a la altura; su opinión ya está con el "
                          "equipo que puede corregirlo.");
        break;
    case CUSTOMER_CANCELLED:
        rt_text_printf(out, "Su pedido %.*s quedó cancelado. Lamentamos el inconveniente; si "
                            "todavía lo necesita, con gusto le ayudamos a pedirlo de nuevo.",
                       RT_STR_ARG(order));
        break;
    case CUSTOMER_TRIGGERS:
        RT_UNREACHABLE("not a trigger");
    }
}

static void
write_greeting(customer_segment segment, rt_text *out)
{
    rt_text_cstr(out, segment == CUSTOMER_NEW ? "Hola, gracias por comprar con nosotros. "
                                              : "Hola, ¿cómo está? ");
}

static void
write_closing(customer_segment segment, rt_text *out)
{
    if (segment == CUSTOMER_VIP) {
        rt_text_cstr(out, " Gracias por su confianza de siempre.");
    } else if (segment == CUSTOMER_AT_RISK) {
        rt_text_cstr(out, " Nos importa mucho seguir contando con usted.");
    } else {
        rt_text_cstr(out, " Gracias por su paciencia.");
    }
}

// Pesos as they are written in Colombia: $ 25.000.
static void
write_cop(int64_t amount_cop, rt_text *out)
{
    int64_t divisor = 1;

    while (amount_cop / divisor >= 1000) {
        divisor *= 1000;
    }
    rt_text_printf(out, "$ %lld", (long long)(amount_cop / divisor));
    while (divisor > 1) {
        amount_cop %= divisor;
        divisor /= 1000;
        rt_text_printf(out, ".%03lld", (long long)(amount_cop / divisor));
    }
}

// For colleagues who call or take a case: what happened and what to do first.
static void
write_note(const customer_case *what, customer_segment segment, rt_str order, rt_text *out)
{
    static const char *const todo[CUSTOMER_TRIGGERS] = {
        [CUSTOMER_DELAY] = "explicar la demora, dar una nueva fecha y ofrecer disculpas",
        [CUSTOMER_FAILED] = "confirmar dirección, teléfono y horario para el nuevo intento",
        [CUSTOMER_ISSUE] = "escuchar lo ocurrido y acordar la solución",
        [CUSTOMER_INQUIRY] = "responder la inquietud de una vez; el cliente está molesto",
        [CUSTOMER_FEEDBACK] = "agradecer la calificación y preguntar qué podemos corregir",
        [CUSTOMER_CANCELLED] = "preguntar el motivo y ofrecer ayuda para pedir de nuevo",
    };
    static const char *const happened[CUSTOMER_TRIGGERS] = {
        [CUSTOMER_DELAY] = "entrega demorada",         [CUSTOMER_FAILED] = "intento fallido",
        [CUSTOMER_ISSUE] = "problema reportado",       [CUSTOMER_INQUIRY] = "consulta del cliente",
        [CUSTOMER_FEEDBACK] = "mala calificación",     [CUSTOMER_CANCELLED] = "pedido cancelado",
    };
    static const char *const who[CUSTOMER_SEGMENTS] = {
        [CUSTOMER_NEW] = "cliente nuevo",
        [CUSTOMER_REGULAR] = "cliente habitual",
        [CUSTOMER_VIP] = "cliente preferencial",
        [CUSTOMER_AT_RISK] = "cliente en riesgo de irse",
    };

    rt_text_printf(out, "Pedido %.*s: %s", RT_STR_ARG(order.len > 0 ? order : RT_STR("sin número")),
                   happened[what->trigger]);
    if (what->detail != CUSTOMER_DETAIL_NONE) {
        rt_text_printf(out, " (%s)", detail_names[what->detail]);
    }
    if (what->trigger == CUSTOMER_FAILED && what->attempt > 0) {
        rt_text_printf(out, ", intento %d", (int)what->attempt);
    }
    rt_text_printf(out, "; %s. Por hacer: %s.", who[segment], todo[what->trigger]);
}

void
customer_text(const customer_case *what, customer_option option, customer_segment segment,
              rt_str order, int64_t amount_cop, rt_text *out)
{
    RT_ASSERT(what->trigger < CUSTOMER_TRIGGERS);
    RT_ASSERT(what->detail < CUSTOMER_DETAILS);
    switch (option) {
    case CUSTOMER_NOTIFY:
        write_greeting(segment, out);
        write_what(what, order, out);
        write_closing(segment, out);
        break;
    case CUSTOMER_COMPENSATE:
        write_greeting(segment, out);
        write_what(what, order, out);
        rt_text_cstr(out, " Como muestra de nuestro compromiso queremos darle un bono de ");
        write_cop(amount_cop, out);
        rt_text_cstr(out, " para su próxima compra.");
        break;
    case CUSTOMER_CALL:
    case CUSTOMER_CASE:
        write_note(what, segment, order, out);
        break;
    case CUSTOMER_NOTHING:
    case CUSTOMER_OPTIONS:
        break;
    }
}

const char *
customer_action_name(customer_option option)
{
    RT_ASSERT(option < CUSTOMER_OPTIONS);
    return option_actions[option];
}

const char *
customer_trigger_name(customer_trigger trigger)
{
    RT_ASSERT(trigger < CUSTOMER_TRIGGERS);
    return trigger_names[trigger];
}

const char *
customer_segment_name(customer_segment segment)
{
    RT_ASSERT(segment < CUSTOMER_SEGMENTS);
    return segment_names[segment];
}

const char *
customer_detail_name(customer_detail detail)
{
    RT_ASSERT(detail < CUSTOMER_DETAILS);
    return detail_names[detail];
}

customer_detail
customer_detail_of(rt_str text)
{
    for (size_t i = 1; i < CUSTOMER_DETAILS; i++) {
        if (rt_str_is(text, detail_names[i])) {
            return (customer_detail)i;
        }
    }
    return CUSTOMER_DETAIL_NONE;
}

bool
customer_is_contact(rt_str action)
{
    return rt_str_is(action, option_actions[CUSTOMER_NOTIFY]) ||
           rt_str_is(action, option_actions[CUSTOMER_COMPENSATE]) ||
           rt_str_is(action, option_actions[CUSTOMER_CALL]);
}
