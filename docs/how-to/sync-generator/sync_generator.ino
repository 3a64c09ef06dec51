// Sync pulses for all devices of a rig, on one pin.
//
// Pulses of 50 ms begin at random intervals of 100 to 1900 ms, so that no stretch of
// them looks like another, and an offset can't be taken for its neighbour. A device that
// samples the pin with 20 Hz or faster sees each of them.
//
// Board: any Arduino. Wiring: SYNC_PIN and ground to a digital input of each device, or
// through a resistor of 330 ohm to an LED in the view of a camera.

const uint8_t SYNC_PIN = 8;
const uint8_t LED_PIN = LED_BUILTIN;  // shows that it runs
const uint8_t NOISE_PIN = A0;         // leave it unconnected: its noise is the seed
const uint32_t WIDTH_US = 50000UL;
const uint32_t SHORTEST_US = 100000UL;
const uint32_t LONGEST_US = 1900000UL;

uint32_t begin_us;  // when the next pulse begins
uint32_t chance;    // state of the random numbers, never 0

// Xorshift, 32 bits (Marsaglia 2003).
uint32_t draw() {
  chance ^= chance << 13;
  chance ^= chance >> 17;
  chance ^= chance << 5;
  return chance;
}

// Waits until a time of micros(), which goes back to 0 after 71 minutes: differences
// of unsigned numbers do not notice.
void wait_until(uint32_t time_us) {
  while ((int32_t)(micros() - time_us) < 0) {
  }
}

void set_line(bool is_high) {
  digitalWrite(SYNC_PIN, is_high ? HIGH : LOW);
  digitalWrite(LED_PIN, is_high ? HIGH : LOW);
}

void setup() {
  pinMode(SYNC_PIN, OUTPUT);
  pinMode(LED_PIN, OUTPUT);
  for (uint8_t i = 0; i < 32; i++) {
    chance = (chance << 1) ^ analogRead(NOISE_PIN) ^ micros();
  }
  chance |= 1;
  begin_us = micros() + SHORTEST_US;
}

void loop() {
  wait_until(begin_us);
  set_line(true);
  wait_until(begin_us + WIDTH_US);
  set_line(false);
  begin_us += SHORTEST_US + draw() % (LONGEST_US - SHORTEST_US + 1);
}
