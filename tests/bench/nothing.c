// What the loop of fork, exec and wait executes.
int main(void) { return 0; }
