"""What a network costs on a systolic array: layers, cycles, memory, energy, area, and the designs that suit it."""
