/* What ESP-IDF does after its start, on this computer. */
void app_main(void);

int main(void)
{
    app_main();
    return 0;
}
