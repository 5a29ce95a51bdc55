// A second unit, for link-time optimization and dwz: it shares types with types.c.
typedef struct list { struct list *next, *prev; } list_t;
enum color { RED = -1, GREEN, BLUE = 0x7fffffff };
struct forward { int hidden; list_t list; };
struct forward *unknown;
int elsewhere[3];
extern list_t head;
extern enum color paint;
int entry(int argc, char **argv, ...);
void _start(void) { entry(paint, (char **)head.next); }
