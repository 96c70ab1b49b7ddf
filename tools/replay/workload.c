// tidy: table
#include "tools/replay/workload.h"

#include <math.h>
#include <string.h>

#include "runtime/base/check.h"

// Design notes.
// Lateness is drawn from a sum of log-odds (city, carrier, pair, seller, goods, weight, rain), so
// that there is something to learn and a known best answer; see plan.c. All figures invented.

#define WORLD_SEED UINT64_C(20261120)

static const workload_city cities[WORKLOAD_CITIES] = {
    {"Bogotá", "Bogotá D.C.", .270, 4.711, -74.072, -.25, .42, .05},
    {"Medellín", "Antioquia", .155, 6.244, -75.581, -.20, .40, .05},
    {"Cali", "Valle del Cauca", .110, 3.452, -76.532, .05, .28, .10},
    {"Barranquilla", "Atlántico", .085, 10.969, -74.781, .10, .18, .08},
    {"Cartagena", "Bolívar", .060, 10.391, -75.479, .20, .20, .07},
    {"Bucaramanga", "Santander", .055, 7.119, -73.123, -.05, .26, .04},
    {"Pereira", "Risaralda", .040, 4.813, -75.696, -.10, .38, .03},
    {"Cúcuta", "Norte de Santander", .038, 7.894, -72.508, .45, .20, .12},
    {"Ibagué", "Tolima", .032, 4.439, -75.232, .00, .30, .04},
    {"Manizales", "Caldas", .028, 5.070, -75.513, .10, .45, .02},
    {"Villavicencio", "Meta", .027, 4.142, -73.627, .40, .36, .05},
    {"Pasto", "Nariño", .024, 1.214, -77.281, .80, .34, .05},
    {"Neiva", "Huila", .022, 2.927, -75.282, .15, .22, .05},
    {"Armenia", "Quindío", .019, 4.534, -75.681, -.10, .38, .03},
    {"Santa Marta", "Magdalena", .018, 11.241, -74.199, .25, .15, .06},
    {"Montería", "Córdoba", .017, 8.748, -75.881, .35, .26, .06},
};

static const workload_carrier carriers[WORKLOAD_CARRIERS] = {
    {"servientrega", .30, -.10, .060, 520},
    {"coordinadora", .25, -.45, .045, 560},
    {"interrapidisimo", .19, .35, .080, 480},
    {"envia", .14, .20, .070, 470},
    {"tcc", .12, .05, .060, 450},
};

// Where a carrier differs from the sum of its own and the city's average.
static const struct {
    const char *carrier;
    const char *city;
    double late_logit;
} pairs[] = {
    {"tcc", "Pasto", 1.6},           {"envia", "Pasto", 1.2},
    {"interrapidisimo", "Pasto", .5}, {"servientrega", "Pasto", -.7},
    {"interrapidisimo", "Cúcuta", 1.5}, {"tcc", "Cúcuta", .9},
    {"coordinadora", "Cúcuta", -.3}, {"envia", "Barranquilla", 1.2},
    {"envia", "Cartagena", 1.3},     {"servientrega", "Barranquilla", -.5},
    {"tcc", "Cali", -.9},            {"interrapidisimo", "Cali", .9},
    {"interrapidisimo", "Bogotá", -.5}, {"tcc", "Villavicencio", 1.3},
    {"envia", "Medellín", -.8},      {"tcc", "Medellín", .7},
    {"coordinadora", "Montería", 1.1}, {"coordinadora", "Santa Marta", .8},
    {"servientrega", "Neiva", .7},   {"envia", "Bucaramanga", -.5},
};

static const workload_goods goods[WORKLOAD_GOODS] = {
    {"ropa", "la chaqueta", .170, 98000, 550, 6, -.15, .3},
    {"electrónica", "los audífonos", .140, 289000, 420, 5, .00, 1.2},
    {"hogar", "el juego de sábanas", .120, 145000, 2100, 5, .10, 1.0},
    {"belleza", "la crema", .100, 76000, 380, 3, -.20, 1.1},
    {"calzado", "los tenis", .090, 179000, 950, 9, -.10, .2},
    {"deportes", "la bicicleta estática", .070, 240000, 7800, 7, .30, .8},
    {"juguetes", "el rompecabezas", .060, 89000, 900, 8, .05, .7},
    {"mascotas", "el concentrado", .050, 132000, 8200, 2, .25, .4},
    {"libros", "el libro", .050, 62000, 480, 2, -.25, .2},
    {"electrodomésticos", "la freidora", .045, 420000, 6400, 6, .35, 1.8},
    {"farmacia", "las vitaminas", .035, 84000, 320, 3, -.30, .8},
    {"repuestos", "el filtro de aceite", .030, 118000, 2600, 4, .15, .5},
    {"muebles", "la silla de escritorio", .025, 560000, 14500, 9, .80, 2.2},
    {"mercado", "el café", .015, 68000, 3200, 2, -.05, .9},
};

static const double hours[24] = {
    .012, .006, .004, .003, .003, .006, .014, .026, .042, .054, .062, .064,
    .060, .052, .052, .055, .056, .058, .062, .070, .078, .076, .056, .029,
};

static const double weekdays[7] = {.72, 1.12, 1.08, 1.06, 1.04, 1.06, .92};

static uint64_t
mix64(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

double
workload_mix(uint64_t a, uint64_t b, uint64_t c)
{
    uint64_t x = mix64(WORLD_SEED + a * UINT64_C(0x9e3779b97f4a7c15));

    x = mix64(x + b * UINT64_C(0x9e3779b97f4a7c15));
    x = mix64(x + c * UINT64_C(0x9e3779b97f4a7c15));
    return (double)(x >> 11) * 0x1p-53;
}

const workload_city *
workload_city_at(size_t city)
{
    RT_ASSERT(city < WORKLOAD_CITIES);
    return &cities[city];
}

const workload_carrier *
workload_carrier_at(size_t carrier)
{
    RT_ASSERT(carrier < WORKLOAD_CARRIERS);
    return &carriers[carrier];
}

const workload_goods *
workload_goods_at(size_t index)
{
    RT_ASSERT(index < WORKLOAD_GOODS);
    return &goods[index];
}

workload_seller
workload_seller_at(size_t seller)
{
    static const uint8_t from[] = {0, 0, 0, 0, 0, 1, 1, 2, 3, 5}; // city indices
    double careless = workload_mix(1, seller, 0) + workload_mix(1, seller, 1)
                      + workload_mix(1, seller, 2) - 1.5; // about normal, deviation 0.5

    return (workload_seller){
        .city = from[(size_t)(workload_mix(2, seller, 0) * RT_COUNT(from))],
        .goods = (uint8_t)workload_pick_goods(workload_mix(3, seller, 0)),
        .late_logit = 1.3 * careless,
        .prepare_h = 5 + 6 * fmax(0, careless + .2),
    };
}

size_t
workload_pick_city(double u)
{
    size_t i = 0;

    while (i + 1 < WORKLOAD_CITIES && u >= cities[i].share) {
        u -= cities[i++].share;
    }
    return i;
}

size_t
workload_pick_goods(double u)
{
    size_t i = 0;

    while (i + 1 < WORKLOAD_GOODS && u >= goods[i].share) {
        u -= goods[i++].share;
    }
    return i;
}

// Shops prefer other carriers in other cities, by as much as a half; the shares of a city are
// scaled to sum to one.
size_t
workload_pick_carrier(size_t city, double u)
{
    double share[WORKLOAD_CARRIERS];
    double sum = 0;
    size_t i = 0;

    for (size_t c = 0; c < WORKLOAD_CARRIERS; c++) {
        share[c] = carriers[c].share * (.6 + .9 * workload_mix(4, city, c));
        sum += share[c];
    }
    u *= sum;
    while (i + 1 < WORKLOAD_CARRIERS && u >= share[i]) {
        u -= share[i++];
    }
    return i;
}

double
workload_pair_logit(size_t carrier, size_t city)
{
    for (size_t i = 0; i < RT_COUNT(pairs); i++) {
        if (strcmp(pairs[i].carrier, carriers[carrier].name) == 0
            && strcmp(pairs[i].city, cities[city].name) == 0) {
            return pairs[i].late_logit;
        }
    }
    return 0;
}

bool
workload_rains(size_t city, int64_t local_day)
{
    return workload_mix(5, city, (uint64_t)local_day) < cities[city].rain;
}

double
workload_km(size_t from, size_t to)
{
    const double deg = 3.14159265358979323846 / 180;
    double mean_lat = (cities[from].lat + cities[to].lat) / 2 * deg;
    double north_km = (cities[from].lat - cities[to].lat) * 111.2;
    double east_km = (cities[from].lon - cities[to].lon) * 111.2 * cos(mean_lat);

    return 12 + 1.38 * sqrt(north_km * north_km + east_km * east_km); // mountains: roads wind
}

double
workload_hour_weight(size_t hour)
{
    RT_ASSERT(hour < 24);
    return hours[hour];
}

double
workload_weekday_weight(size_t weekday)
{
    RT_ASSERT(weekday < 7);
    return weekdays[weekday];
}

int64_t
workload_local_day(int64_t at_ms)
{
    int64_t local_ms = at_ms + WORKLOAD_ZONE_MS;
    int64_t day = local_ms / WORKLOAD_DAY_MS;

    return local_ms % WORKLOAD_DAY_MS < 0 ? day - 1 : day;
}

int64_t
workload_local_ms(int64_t local_day, double hour)
{
    return local_day * WORKLOAD_DAY_MS - WORKLOAD_ZONE_MS
           + (int64_t)(hour * (double)WORKLOAD_HOUR_MS);
}

size_t
workload_weekday(int64_t local_day)
{
    return (size_t)(((local_day + 4) % 7 + 7) % 7); // 1970-01-01 was a Thursday
}
