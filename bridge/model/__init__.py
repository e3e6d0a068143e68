"""The canonical roaming model: frozen values that know no wire format.

It is the union of what OCPI 2.3.0, OICP 2.3 and OCHP 1.4.1 can say. Energy is in kWh, power in W, voltage in V,
current in A, money as exact decimals of the currency named beside it, times aware and in UTC. A field that no
protocol gave is None or empty: the model never holds a guess.
"""
